// Clients that use the recipe (recipe.js), driven by JSON lines; `client` is a number the other side chooses.
//
// in:  {do: "connect", client, url, auth, options, events}    options are those of socket.io-client; events are reported
//      {do: "follow", client, sessionId, lastSeq}
//      {do: "send", client, sessionId, text, clientMessageId}
//      {do: "close", client}
// out: {client, message} each message the client shows; {client, sent} each that was acknowledged;
//      {client, failure} what cannot be repaired; {client, connected: true} and {client, disconnected: reason};
//      {client, event, data} each event that was asked for
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { followSession, keepConnecting, sendMessage } from "./recipe.js";

const sockets = new Map();

const write = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);

function connect({ client, url, auth, options, events }) {
  const socket = io(url, { auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500, ...options });
  sockets.set(client, socket);
  socket.on("connect", () => write({ client, connected: true }));
  socket.on("disconnect", (reason) => write({ client, disconnected: reason }));
  for (const event of events) socket.on(event, (data) => write({ client, event, data }));
  keepConnecting(socket, 200);
}

function follow({ client, sessionId, lastSeq }) {
  followSession(sockets.get(client), sessionId, {
    lastSeq,
    onMessage: (message) => write({ client, message }),
    onFailure: (failure) => write({ client, failure: { ...failure, sessionId } }),
  });
}

function send({ client, sessionId, text, clientMessageId }) {
  sendMessage(sockets.get(client), sessionId, text, clientMessageId).then(
    (sent) => write({ client, sent }),
    (failure) => write({ client, failure: { ...failure, sessionId, clientMessageId } }),
  );
}

function close({ client }) {
  sockets.get(client).disconnect();
  sockets.delete(client);
}

const commands = { connect, follow, send, close };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit();
