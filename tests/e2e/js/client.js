// socket.io-clients that do what standard input says and write down on standard output what they see,
// one JSON object a line. `socket` is a number the other side chooses.
//
// in:  {do: "connect", socket, url, options}
//      {do: "emit", socket, events: [[name, payload, key], ...]}    all at once; a key asks for an acknowledgement
//      {do: "transport" | "close", socket}
// out: {socket, event, data}    what the server sent, and open, upgrade, transport, connect, connect_error, disconnect
//      {socket, acknowledged: key, data}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

const write = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);

function connect({ socket: number, url, options }) {
  const socket = io(url, { forceNew: true, ...options });
  const record = (event, data = null) => write({ socket: number, event, data });
  sockets.set(number, socket);
  socket.io.on("open", () => {
    record("open", socket.io.engine.transport.name);
    socket.io.engine.once("upgrade", (transport) => record("upgrade", transport.name));
  });
  socket.on("connect", () => record("connect"));
  socket.on("connect_error", (error) => record("connect_error", { message: error.message, data: error.data ?? null }));
  socket.on("disconnect", (reason) => record("disconnect", reason));
  socket.onAny((name, payload) => record(name, payload));
}

function emit({ socket: number, events }) {
  const socket = sockets.get(number);
  for (const [name, payload, key] of events) {
    if (key === null) {
      socket.emit(name, payload);
    } else {
      socket.emit(name, payload, (data = null) => write({ socket: number, acknowledged: key, data }));
    }
  }
}

const commands = {
  connect,
  emit,
  transport: ({ socket }) =>
    write({ socket, event: "transport", data: sockets.get(socket).io.engine.transport.name }),
  close: ({ socket }) => sockets.get(socket).disconnect(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit();
