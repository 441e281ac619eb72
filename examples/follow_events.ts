/**
 * Prints the last ten events of a running switch and those that come, through its control socket, by
 * nothing but HTTP and server-sent events: the same in any language that can open a Unix socket.
 * `deno run -A examples/follow_events.ts /run/vuswitch/ctl.sock`
 *
 * @module
 */
import { request } from "node:http";

const [socketPath] = Deno.args;
if (socketPath === undefined) {
  console.error("name the control socket: deno run -A examples/follow_events.ts PATH");
  Deno.exit(2);
}

const headers = { host: "vuswitch", accept: "text/event-stream" };
const call = request({ socketPath, path: "/v1/events?last=10", headers }, (response) => {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => {
    const lines = (text + part).split("\n");
    // The last line may go on in the next part.
    text = lines.pop() ?? "";
    for (const line of lines.filter((each) => each.startsWith("data:"))) {
      const { ts, component, event, msg } = JSON.parse(line.slice("data:".length));
      console.log(`${ts} ${component}: ${event}: ${msg}`);
    }
  });
  response.on("end", () => console.log("the switch ended"));
});
call.on("error", (error) => {
  console.error(`Cannot reach a switch at ${socketPath}: ${error.message}`);
  Deno.exit(1);
});
call.end();
