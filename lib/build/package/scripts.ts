/**
 * What dpkg runs when the package comes and goes (deb-postinst(5) and its like). The service is
 * neither enabled nor started: a switch without ports is of no use, and who is to have one says so
 * in its configuration. Nor does an upgrade start a running one again, which would end every
 * connection: `systemctl restart vuswitch` does, when it suits.
 *
 * @module
 */

const UNIT = "vuswitch.service";

/** What was enabled before a removal is enabled again; units are read anew where systemd runs. */
const POSTINST = `#!/bin/sh
set -e
case $1 in configure | abort-upgrade | abort-deconfigure | abort-remove)
  systemd-sysusers \${DPKG_ROOT:+--root="$DPKG_ROOT"} vuswitch.conf
  if [ -x "$(command -v systemd-tmpfiles)" ]; then
    systemd-tmpfiles \${DPKG_ROOT:+--root="$DPKG_ROOT"} --create vuswitch.conf || true
  fi
  if deb-systemd-helper debian-installed ${UNIT}; then
    deb-systemd-helper unmask ${UNIT} > /dev/null || true
    if deb-systemd-helper --quiet was-enabled ${UNIT}; then
      deb-systemd-helper enable ${UNIT} > /dev/null || true
    fi
  fi
  deb-systemd-helper update-state ${UNIT} > /dev/null || true
  if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload > /dev/null || true
  fi
  ;;
esac
`;

const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${UNIT} > /dev/null || true
fi
`;

const POSTRM = `#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload > /dev/null || true
fi
if [ "$1" = purge ]; then
  if [ -x "$(command -v deb-systemd-helper)" ]; then
    deb-systemd-helper purge ${UNIT} > /dev/null || true
  fi
  rm -rf "$DPKG_ROOT/run/vuswitch"
fi
`;

/** By the names that dpkg knows. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  postinst: POSTINST,
  prerm: PRERM,
  postrm: POSTRM,
};
