// A socket.io-client that does what standard input says and writes down on standard output what it sees,
// one JSON object a line.
//
// in:  {do: "connect", url, options}
//      {do: "emit", events: [[name, payload, key], ...]}    all at once; a key asks for an acknowledgement
//      {do: "transport"}
//      the end of the input: disconnect and leave
// out: {event, data}              what the server sent, and connect, connect_error, disconnect, upgrade, transport
//      {acknowledged: key, data}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

let socket;

const write = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);
const record = (event, data = null) => write({ event, data });

function connect({ url, options }) {
  socket = io(url, { forceNew: true, ...options });
  socket.on("connect", () => {
    record("connect", { sid: socket.id, transport: socket.io.engine.transport.name });
    socket.io.engine.once("upgrade", (transport) => record("upgrade", transport.name));
  });
  socket.on("connect_error", (error) => record("connect_error", { message: error.message, data: error.data ?? null }));
  socket.on("disconnect", (reason) => record("disconnect", reason));
  socket.onAny((name, payload) => record(name, payload));
}

function emit({ events }) {
  for (const [name, payload, key] of events) {
    if (key === null) {
      socket.emit(name, payload);
    } else {
      socket.emit(name, payload, (data = null) => write({ acknowledged: key, data }));
    }
  }
}

const commands = {
  connect,
  emit,
  transport: () => record("transport", socket.io.engine.transport.name),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
socket?.disconnect();
