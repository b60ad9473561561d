// The plain peer: Express, Mongoose and socket.io, used as most people use them, for the calls of the specification.
// It is about as fast as the Node.js system that ours replaces. It has no queue and looks after no races; a message is
// as durable as the driver's default makes it. PORT, MONGODB_URI and MONGODB_DB are its settings.
import http from 'node:http';
import express from 'express';
import jwt from 'jsonwebtoken';
import mongoose from 'mongoose';
import { Server } from 'socket.io';

const { PORT = '5301', MONGODB_URI = 'mongodb://127.0.0.1:27017', MONGODB_DB = 'plain-peer' } = process.env;
const SECRET = 'peer-secret-peer-secret-peer-secret-peer';
const text = { type: String, required: true };
const schema = (fields) => new mongoose.Schema(fields, { timestamps: true });

const Session = mongoose.model('Session', schema({
  userId: { ...text, index: true },
  userType: { type: String, default: 'user' },
  agentId: String,
  status: { type: String, enum: ['waiting', 'active', 'ended'], default: 'waiting', index: true },
  endedAt: Date,
  endReason: String,
}));
const Message = mongoose.model('Message', schema({
  sessionId: text,
  senderId: text,
  senderType: text,
  message: { ...text, maxlength: 1000 },
  timestamp: { type: Date, default: Date.now },
}).index({ sessionId: 1, timestamp: 1 }));
const Agent = mongoose.model('Agent', schema({
  name: text,
  maxUsers: { type: Number, default: 2 },
  activeUsers: [String],
  isOnline: { type: Boolean, default: true },
}));

class Failure extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
  }
}

const app = express();
app.use(express.json());

// A call: who calls is known before it, what it returns is sent in the envelope.
const call = (method, path, status, handle) => app[method](path, async (request, response) => {
  try {
    if (path.startsWith('/api/chat')) request.user = jwt.verify((request.headers.authorization ?? '').slice(7), SECRET);
    response.status(status).json({ success: true, data: await handle(request) });
  } catch (error) {
    response.status(error.status ?? 500).json({ success: false, code: error.message });
  }
});
const find = async (id) => {
  const session = await Session.findById(id);
  if (!session) throw new Failure(404, 'SESSION_NOT_FOUND');
  return session;
};
const shown = (agent) => agent && { id: agent._id, name: agent.name, isOnline: agent.isOnline };

call('get', '/api/health', 200, async () => ({
  active: await Session.countDocuments({ status: 'active' }),
  total: await Session.countDocuments(),
}));
call('post', '/api/agents', 201, async ({ body }) => shown(await Agent.create(body)));
call('post', '/api/auth/token', 201, async ({ body }) => ({
  token: jwt.sign({ id: body.userId, userType: body.userType ?? 'user' }, SECRET, { expiresIn: '30d' }),
}));
call('post', '/api/chat/start-session', 201, async ({ user }) => {
  const free = await Agent.find({ isOnline: true, $expr: { $lt: [{ $size: '$activeUsers' }, '$maxUsers'] } });
  const agent = free.sort((one, other) => one.activeUsers.length - other.activeUsers.length)[0];
  const session = await Session.create({ userId: user.id, agentId: agent?._id, status: agent ? 'active' : 'waiting' });
  if (agent) {
    agent.activeUsers.push(user.id);
    await agent.save().catch(() => {}); // Somebody else changed it meanwhile: the plain peer does not mind.
  }
  const found = session.agentId ? await Agent.findById(session.agentId) : null;
  return { sessionId: session._id, status: session.status, agentId: session.agentId, agent: shown(found) };
});
call('get', '/api/chat/session/:id', 200, async ({ params }) => {
  const session = await find(params.id);
  const agent = session.agentId ? await Agent.findById(session.agentId) : null;
  const messageCount = await Message.countDocuments({ sessionId: params.id });
  return { ...session.toObject(), agent: shown(agent), messageCount };
});
call('post', '/api/chat/send-message/:id', 201, async ({ params, body, user }) => {
  await find(params.id);
  const message = { sessionId: params.id, senderId: user.id, senderType: user.userType, message: body.message };
  return { message: await Message.create(message) };
});
call('get', '/api/chat/messages/:id', 200, async ({ params, query }) => {
  await find(params.id);
  const { limit = 50, offset = 0 } = query;
  const page = Message.find({ sessionId: params.id }).sort({ timestamp: 1 }).skip(Number(offset)).limit(Number(limit));
  return { messages: await page, total: await Message.countDocuments({ sessionId: params.id }) };
});
call('post', '/api/chat/end-session/:id', 200, async ({ params, body }) => {
  const session = await find(params.id);
  session.set({ status: 'ended', endedAt: new Date(), endReason: body.reason });
  await session.save();
  const agent = session.agentId ? await Agent.findById(session.agentId) : null;
  if (agent) {
    agent.activeUsers = agent.activeUsers.filter((userId) => userId !== session.userId);
    await agent.save().catch(() => {});
  }
  return { sessionId: session._id, totalMessages: await Message.countDocuments({ sessionId: params.id }) };
});

const server = http.createServer(app);
server.keepAliveTimeout = 75_000; // Node's own 5 s would close connections under a slow driver.
const io = new Server(server);
io.use((socket, next) => {
  try {
    socket.user = jwt.verify(socket.handshake.auth.token, SECRET);
    next();
  } catch (error) {
    next(error);
  }
});
io.on('connection', (socket) => {
  socket.on('join_session', async ({ sessionId }) => {
    const session = await find(sessionId);
    const agent = session.agentId ? await Agent.findById(session.agentId) : null;
    const messages = await Message.find({ sessionId }).sort({ timestamp: -1 }).limit(50);
    socket.join(sessionId);
    socket.to(sessionId).emit('user_joined', { sessionId, userId: socket.user.id });
    socket.emit('session_joined', { sessionId, status: session.status, agent: shown(agent), messages });
  });
});

await mongoose.connect(MONGODB_URI, { dbName: MONGODB_DB });
await Promise.all([Session.init(), Message.init(), Agent.init()]);
server.listen(Number(PORT), '127.0.0.1', () => console.log(`plain peer on ${PORT}`));
