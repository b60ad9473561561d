// What goes over the wire (docs/rest.md, docs/events.md), and what widget and console share. For the type check only.

export interface Refusal {
  code: string;
  message?: string;
  details?: { field: string }[];
}
export type Answer<Data> = { success: true; data: Data } | ({ success: false } & Refusal);

export type Status = "waiting" | "active" | "ended";

export interface Message {
  id: string;
  sessionId: string;
  seq: number;
  senderId: string;
  senderType: "user" | "agent" | "system";
  message: string;
  timestamp: string;
  clientMessageId?: string;
  erased?: boolean;
  attachment?: Attachment;
  content?: Content;
  /** The picture of a card. */
  picture?: Attachment;
  /** The message whose answer was chosen. */
  replyTo?: number;
}

/** What a message shows beside its text. */
export type Content =
  | { readonly type: "quick_replies"; readonly options: readonly { readonly title: string; readonly value: string }[] }
  | {
      readonly type: "card";
      readonly title: string;
      readonly text?: string;
      readonly fileId?: string;
      readonly buttons?: readonly { readonly title: string; readonly url: string }[];
    };

export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly alt: string | null;
  readonly state: "ready" | "pending" | "blocked";
  readonly width?: number;
  readonly height?: number;
  readonly url?: string;
  readonly thumbnailUrl?: string;
}

/** A file on its way. `chosen` ones wait until they are sent with the next message. */
export interface Upload {
  readonly id: string;
  readonly file: File;
  readonly alt: string;
  /** From 0 to 1. */
  readonly progress: number;
  readonly state: "chosen" | "waiting" | "failed";
  /** Why it has failed: the refusal's code, and what is shown. */
  readonly code?: string;
  readonly reason?: string;
}

/** A message on its way. Neither failed nor acknowledged (`seq`): it waits. */
export interface Unsent {
  id: string;
  text: string;
  at?: string;
  failed?: string;
  reason?: string;
  seq?: number;
  /** The seq of the message that it answers, and the session of both. */
  replyTo?: number;
  of?: string;
}

export interface ReadMark {
  userId: string;
  userType: string;
  seq: number;
}

/** `session_joined`. */
export interface Joined {
  sessionId: string;
  status: Status;
  agentId: string | null;
  agent: AgentName | null;
  queuePosition: number | null;
  lastSeq: number;
  messages: Message[];
  hasMore: boolean;
  readSeq: ReadMark[];
}

export interface AgentName {
  id: string;
  name: string;
  isOnline?: boolean;
  /** It is a program. */
  isBot?: true;
}

/** What is used of a socket of socket.io's client. */
export interface Socket {
  readonly connected: boolean;
  readonly active: boolean;
  readonly volatile: Socket;
  readonly io: {
    readonly engine: { once(event: string, handler: () => void): void };
    readonly opts: { upgrade?: boolean };
    on(event: string, handler: () => void): void;
  };
  auth: object;
  on(event: string, handler: (...args: any[]) => void): this;
  off(event: string, handler: (...args: any[]) => void): this;
  emit(event: string, ...args: any[]): this;
  emitWithAck(event: string, ...args: any[]): Promise<any>;
  timeout(ms: number): Socket;
  connect(): this;
  disconnect(): this;
}
