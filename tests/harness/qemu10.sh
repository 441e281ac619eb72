#!/usr/bin/env bash
# Prints the folder of a QEMU 10 from bookworm-backports, unpacked beside the system's QEMU and not
# installed. Fetches it once; needs root on Debian 12 for `apt-get download`'s key ring alone.
set -euo pipefail
root=${QEMU10_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/vuswitch-qemu10}
if [ ! -x "$root/usr/bin/qemu-system-x86_64" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$root"
  mirror=$(grep -rhoE "https?://[^ ]+/debian/?( |$)" /etc/apt/sources.list.d /etc/apt/sources.list 2>/dev/null | head -1 | tr -d " " || true)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} bookworm-backports main" > "$work/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o "Dir::Cache::archives=$work/cache/archives" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  cd "$work"
  # The Xen build sits in the same package set and pulls libraries that plain emulation never opens.
  "${apt[@]}" download -t bookworm-backports qemu-system-x86 qemu-system-data qemu-system-common >&2
  for package in ./*.deb; do dpkg -x "$package" "$root"; done
  missing=$(ldd "$root/usr/bin/qemu-system-x86_64" | awk '/not found/ {print $1}')
  if [ -n "$missing" ]; then echo "missing libraries: $missing" >&2; fi
fi
echo "$root"
