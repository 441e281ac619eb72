/**
 * `doctor`: whether this host is ready for a switch, and the switch that runs well. It changes
 * nothing.
 *
 * @module
 */
import type { SwitchStatus } from "../../control/types.ts";
import type { Diagnosis } from "../../control/doctor/checks.ts";
import type { Asked } from "../../control/doctor/machine.ts";
import { ask, asking, type ClientFlags, type CommandRow } from "../command.ts";
import { defaultControlPath } from "../control_path.ts";
import { CliError, describeFailure, EXIT_FAILED, EXIT_UNREACHABLE } from "../failure.ts";

async function askPorts(flags: ClientFlags): Promise<Asked> {
  try {
    const running = await ask<SwitchStatus>(flags, "GET", "/v1/switch");
    return { ports: running.ports, running };
  } catch (error) {
    const { line } = describeFailure(error);
    if (!(error instanceof CliError)) return { error: line, fix: "see --help", absent: false };
    const absent = error.exitCode === EXIT_UNREACHABLE && error.message.startsWith("No switch");
    return { error: error.message, fix: error.hint ?? "see its log", absent };
  }
}

/** Looks at this host. */
async function diagnose(flags: ClientFlags): Promise<Diagnosis> {
  const { thisMachine } = await import("../../control/doctor/machine.ts");
  const { examine } = await import("../../control/doctor/checks.ts");
  const machine = thisMachine(flags.ctl ?? defaultControlPath(), await askPorts(flags));
  const findings = await examine(machine);
  const levels = findings.map(({ level }) => level);
  const worst = (["fault", "warning"] as const).find((level) => levels.includes(level)) ?? "ok";
  return { worst, findings };
}

/** A line for each finding. */
export function doctorText({ findings }: Diagnosis): string {
  return findings.map(({ check, level, text, fix }) =>
    `${level.padEnd(7)}  ${check}: ${text}${fix === null ? "" : ` (${fix})`}\n`
  ).join("");
}

const DOCTOR = asking(
  {
    words: ["doctor"],
    brief: "check this host and the switch on it: limits, folders, devices, guests; with the fixes",
    examples: ["vuswitch doctor", "vuswitch doctor -o json"],
  },
  "doctor",
  diagnose,
  doctorText,
);

/** In the order help lists them. */
export const DOCTOR_COMMANDS: readonly CommandRow[] = [{
  ...DOCTOR,
  load: async () => {
    const act = await DOCTOR.load();
    return async (flags, print) => {
      let faults = 0;
      await act(flags, (text) => {
        faults = text.match(/^fault |"level": "fault"/gm)?.length ?? 0;
        return print(text);
      });
      if (faults === 0) return;
      throw new CliError(EXIT_FAILED, `${faults} fault${faults === 1 ? "" : "s"} found, see above`);
    };
  },
}];
