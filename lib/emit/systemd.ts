/**
 * A systemd unit for a switch that may do what it must and no more (systemd.exec(5)). Nothing is
 * installed here. The same words give the same text.
 *
 * @module
 */
import { ControlError } from "../control/types.ts";

/** As typed; what is left out is undefined. */
export interface UnitWords {
  /** The program. */
  readonly binary?: string;
  /** Its configuration. */
  readonly config?: string;
  /** User and group that it runs as. */
  readonly user?: string;
  /** It has TAP devices, which it makes itself. */
  readonly tap: boolean;
  /** Where it serves metrics besides the control socket, if it does. */
  readonly metrics?: string;
}

/** What is printed. */
export interface EmittedUnit {
  /** The program. */
  readonly binary: string;
  /** Its configuration. */
  readonly config: string;
  /** User and group that it runs as. */
  readonly user: string;
  /** It may make TAP devices. */
  readonly tap: boolean;
  /** Where it serves metrics besides the control socket; null: nowhere. */
  readonly metrics: string | null;
  /** For people, a line each. */
  readonly notes: readonly string[];
  /** The unit, line by line. */
  readonly unit: readonly string[];
}

const BINARY_OTHERWISE = "/usr/local/bin/vuswitch";
const CONFIG_OTHERWISE = "/etc/vuswitch.toml";
const USER_OTHERWISE = "vuswitch";
/** Names that useradd(8) takes, or a number. */
const USER = /^(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})$/;
/** What a unit takes without quotes, specifiers or variables. */
const PLAIN_PATH = /^\/[A-Za-z0-9_./+@:-]*[A-Za-z0-9_+@:-]$/;

/** What run takes of it; the rest of its rules run says itself. */
const METRICS = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\]):[1-9]\d{0,4}$/;

function pathOf(what: string, given: string): string {
  if (PLAIN_PATH.test(given)) return given;
  throw new ControlError(
    "invalid",
    `${what} ${given} must be an absolute path of A-Z a-z 0-9 . _ + @ : - and /`,
  );
}

/** What a switch with devices of this host needs on top. */
function network(tap: boolean, metrics: string | null): string[] {
  if (!tap && metrics !== null) {
    return [
      "# Metrics are served to this host alone",
      "IPAddressDeny=any",
      "IPAddressAllow=localhost",
      "PrivateDevices=yes",
      "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
      "CapabilityBoundingSet=",
    ];
  }
  if (!tap) {
    return [
      "# Its sockets are files: it needs no network",
      "PrivateNetwork=yes",
      "PrivateDevices=yes",
      "RestrictAddressFamilies=AF_UNIX",
      "CapabilityBoundingSet=",
    ];
  }
  return [
    "# News of devices come through netlink",
    `RestrictAddressFamilies=AF_UNIX AF_NETLINK${metrics === null ? "" : " AF_INET AF_INET6"}`,
    "DevicePolicy=closed",
    "DeviceAllow=/dev/net/tun rw",
    "DeviceAllow=char-macvtap rw",
    "CapabilityBoundingSet=CAP_NET_ADMIN",
    "AmbientCapabilities=CAP_NET_ADMIN",
  ];
}

function service(
  binary: string,
  config: string,
  user: string,
  metrics: string | null,
): string[] {
  const more = metrics === null ? "" : ` --metrics ${metrics}`;
  return [
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${binary} run --config ${config}${more}`,
    "# A file with a fault is not loaded: systemctl reload says why, and nothing changes",
    `ExecReload=${binary} config check ${config}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    `User=${user}`,
    `Group=${user}`,
    "# The control socket, and port sockets without a path; kept while the switch is started again,",
    "# so that packed rings go on where they were",
    "RuntimeDirectory=vuswitch",
    "RuntimeDirectoryMode=0755",
    "RuntimeDirectoryPreserve=restart",
    "# It is started again at once, whatever ended it, also if its data plane stands still",
    "Restart=always",
    "RestartSec=100ms",
    "WatchdogSec=5",
    "WatchdogSignal=SIGKILL",
    "TimeoutStopSec=5",
    "OOMScoreAdjust=-500",
    "# Descriptors of 254 guests with 8 queues each",
    "LimitNOFILE=65536",
    "# A core file would hold guests' memory",
    "LimitCORE=0",
  ];
}

/** Reads what an operator typed. @throws {ControlError} naming the fix */
export function emitSystemd(words: UnitWords): EmittedUnit {
  const binary = pathOf("binary", words.binary ?? BINARY_OTHERWISE);
  const config = pathOf("config", words.config ?? CONFIG_OTHERWISE);
  const user = words.user ?? USER_OTHERWISE;
  if (!USER.test(user)) {
    throw new ControlError("invalid", `user ${user} must be a name of a-z 0-9 _ - or a number`);
  }
  const { tap } = words;
  const metrics = words.metrics ?? null;
  if (metrics !== null && !METRICS.test(metrics)) {
    throw new ControlError("invalid", `metrics ${metrics} must be such as 127.0.0.1:9477`);
  }
  const notes = [
    "Install: vuswitch emit systemd > /etc/systemd/system/vuswitch.service",
    `Once: useradd --system --shell /usr/sbin/nologin ${user}`,
    "Then: systemctl daemon-reload && systemctl enable --now vuswitch",
    "Ports: in the configuration, or vuswitch port add as that user; VMMs of other users need " +
    '[sockets] mode = "0660" and a group that both have',
  ];
  const unit = [
    "[Unit]",
    "Description=vuswitch, a switch for virtual machines (vhost-user-net)",
    "StartLimitIntervalSec=0",
    "",
    ...service(binary, config, user, metrics),
    "",
    "# What it may not do",
    ...network(tap, metrics),
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "UMask=0077",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@keyring io_uring_setup io_uring_enter io_uring_register userfaultfd",
    "# Not MemoryDenyWriteExecute: V8 writes the code it runs. Not ProtectProc: the log names the",
    "# processes that connect",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return { binary, config, user, tap, metrics, notes, unit };
}
