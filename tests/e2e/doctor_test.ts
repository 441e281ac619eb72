/** `doctor` where there is no switch, and a limit that no switch can live with. */
import { strict as assert } from "node:assert";
import { vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";

Deno.test("doctor needs no switch, ends with 1 for a fault, and changes nothing", async () => {
  using folder = new TempFolder();
  const ctl = folder.file("none/ctl.sock");
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", 'ulimit -n 200; exec "$@"', "bash", ...vuswitchWords(), "doctor", "--ctl", ctl],
  }).output();
  const [said, complained] = [stdout, stderr].map((each) => new TextDecoder().decode(each));
  assert.equal(code, 1, complained);
  assert.equal(complained, "vuswitch: 1 fault found, see above\n");
  assert.match(said ?? "", /^fault {4}descriptors: 200 descriptors .* \(ulimit -n 65536/m);
  assert.match(
    said ?? "",
    /^warning {2}switch: No switch answers .* \(start one with: vuswitch run/m,
  );
  assert.match(said ?? "", /^ok {7}kernel: Linux /m);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
