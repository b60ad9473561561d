// Clients that use the recipe (recipe.js), driven by JSON lines; `client` is a number the other side chooses.
//
// in:  {do: "follow", client, url, auth, options, sessionId, lastSeq}    options are those of socket.io-client
//      {do: "send", client, text, clientMessageId}
// out: {client, message} each message the client shows; {client, sent} each that was acknowledged;
//      {client, failure} what cannot be repaired; {client, connected: true} and {client, disconnected: reason}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { followSession, keepConnecting, sendMessage } from "./recipe.js";

const clients = new Map();

const write = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);

function follow({ client, url, auth, options, sessionId, lastSeq }) {
  const socket = io(url, { auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500, ...options });
  clients.set(client, { socket, sessionId });
  socket.on("connect", () => write({ client, connected: true }));
  socket.on("disconnect", (reason) => write({ client, disconnected: reason }));
  keepConnecting(socket, 200);
  followSession(socket, sessionId, {
    lastSeq,
    onMessage: (message) => write({ client, message }),
    onFailure: (failure) => write({ client, failure }),
  });
}

function send({ client, text, clientMessageId }) {
  const { socket, sessionId } = clients.get(client);
  sendMessage(socket, sessionId, text, clientMessageId).then(
    (sent) => write({ client, sent }),
    (failure) => write({ client, failure }),
  );
}

const commands = { follow, send };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit();
