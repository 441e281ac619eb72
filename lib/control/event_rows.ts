/**
 * Every event of the log, with its level and its meaning. Names stay what they are: programs read
 * them. Problems of a port and reasons are events as well, of which these rows say what is logged.
 *
 * @module
 */

/** Name, level, and what happened. */
export const EVENT_ROWS = [
  ["no-ports", "warn", "it was started without ports; the line says how to add one"],
  [
    "slow-data-plane",
    "warn",
    "a switch run from source could not bundle its data plane, which is 1.6 times as fast; the line says why",
  ],
  [
    "no-guard",
    "warn",
    "missing pages cannot be survived here: [memory that can lose some is refused](security.md#memory-that-goes-away)",
  ],
  [
    "little-room",
    "warn",
    "there is less address space for guests' memory than there should be: `ulimit -v`",
  ],
  [
    "blocking-calls",
    "warn",
    "a guest's VMM can hold the data plane up for 0.2 s: the kernel or a filter of system calls denies io_setup",
  ],
  ["listening", "info", "the port's socket is there"],
  ["connecting", "info", "the switch connects to a socket of a front-end (`mode=connect`)"],
  [
    "connect-waiting",
    "info",
    "that front-end is not there; the line says why, and the switch keeps trying",
  ],
  ["connected", "info", "a front-end came; with process and user"],
  ["link-up", "info", "its rings run: ring kind and size, features, memory; or its device is up"],
  ["link-down", "info", "its rings stopped, or its device is down"],
  [
    "memory-not-shared",
    "warn",
    "the guest's memory is private to the VMM; the line says what shows it",
  ],
  ["mac-flap", "warn", "an address moves between two ports faster than a guest can"],
  [
    "mac-spoof",
    "warn",
    "a port sends from an address of another, or with `lock=on` from none of its own; once a minute",
  ],
  ["storm", "warn", "a port sends more frames to many than `storm=` allows; once a minute"],
  ["guard-dhcp", "warn", "a port with `guard=dhcp` speaks as a DHCP server; once a minute"],
  ["guard-ra", "warn", "a port with `guard=ra` speaks as a router; once a minute"],
  [
    "ip-spoof",
    "warn",
    "a port uses or claims an IP address that is none of its `ip=`; once a minute",
  ],
  [
    "guard-hidden",
    "warn",
    "a port with `guard=` or `ip=` sends frames that may hide what is looked for; once a minute",
  ],
  ["memory-shared", "info", "guest memory that was not shared with the switch is now"],
  [
    "iommu-not-offered",
    "warn",
    "a front-end left after reading the features: it may want `offer=iommu`",
  ],
  [
    "peer-gone",
    "warn",
    "the process that connected has ended and its connection has not: the next front-end takes the place",
  ],
  ["disconnected", "info", "it left by itself"],
  ["closed", "warn", "the switch ended its connection; `reason` is a code below"],
  ["admin-up", "info", "`port up`"],
  ["admin-down", "info / warn", "`port down` / a front-end was refused, because the port is down"],
  ["set", "info", "`port set`: which options, and to what"],
  ["vring-started", "debug", "a ring runs"],
  ["back-end-channel", "debug", "the front-end closed its back-end channel"],
  ["recovered", "info", "a ring goes on where a switch before this one stood"],
  ["no-journal", "warn", "a packed ring has no journal file: after a crash it starts anew"],
  [
    "ring-broken",
    "warn",
    "a ring was stopped for a fault of its driver; the line ends with a ring reason",
  ],
  ["refused", "warn", "a request was answered with a failure; the connection goes on"],
  [
    "mtu-exceeded",
    "warn",
    "a guest was given a larger MTU than the port's: its longer frames are dropped",
  ],
  ["dirty-log", "info", "a migration begins or ends: dirty pages are logged, or no more"],
  ["announced", "debug", "a guest that moved here was announced to the others (SEND_RARP)"],
  ["expected", "debug", "the same, before its rings run: it is announced when they do"],
  ["state-loaded", "info", "a port's state came from another back-end (DEVICE_STATE)"],
  ["bad-chain", "warn", "a driver makes chains that go back unused; once per ring and reason"],
  ["iotlb-miss", "warn", "the front-end cannot translate an address that a ring waits for"],
  ["iotlb-access", "warn", "the guest uses an address in a way its IOMMU does not allow"],
  ["accept-failed", "warn", "a front-end cannot be accepted, as a rule for want of descriptors"],
  ["closing", "warn", "descriptors of an earlier front-end do not close; new ones wait"],
  [
    "visits",
    "warn",
    "front-ends came and left so often that only the first five of a minute had their own lines; how many more, who was last",
  ],
  ["knocks", "info", "a process that was refused goes on (once a minute) or stopped; how often"],
  ["silent", "debug", "somebody connected and hung up without a word, as a probe does"],
  [
    "socket-gone",
    "warn",
    "a socket's file was removed or replaced; it is made again, or the line says what is in the way",
  ],
  ["socket-back", "info", "that socket is there again"],
  ["serving", "info", "the port serves a device of the host"],
  ["uplink-down", "warn", "that device is gone; the port takes it up again when it is back"],
  [
    "nat",
    "info",
    "a port does NAT from now on: the guests' network, their gateway, and what translates",
  ],
  [
    "nat-helper",
    "warn",
    "a program that serves guests behind NAT ended, with its last words, and is started again",
  ],
  ["nat-firewall", "warn", "a chain of somebody else's on this host may stop guests' frames"],
  ["nat-one-guest", "warn", "passt translates, which serves one guest"],
  ["nat-swept", "info", "what a killed switch had left of its NAT is gone"],
  [
    "uplink-refused",
    "warn",
    "it is there, and cannot be opened or takes no frames; the line says why",
  ],
  [
    "uplink-full",
    "warn",
    "what is behind the port has no room for frames, they are dropped; a line a minute at most",
  ],
  ["uplink-back", "info", "it is back"],
  ["data-plane", "warn", "the data plane has no room for what a port asks"],
  ["metrics", "info", "metrics are served at a TCP port as well"],
  ["stopping", "info", "SIGTERM, SIGINT or SIGQUIT: the switch ends in order"],
  [
    "stands-still",
    "warn",
    "the data plane counts neither rounds nor sleep: the service manager's watchdog hears nothing more",
  ],
  ["no-landlock", "warn", "`--sandbox`, and the kernel cannot limit where files are written"],
  ["no-reload", "warn", "SIGHUP: nothing changes, there is no reload yet"],
] as const satisfies readonly (readonly [event: string, level: string, meaning: string])[];
