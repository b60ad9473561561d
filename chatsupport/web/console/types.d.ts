// What the console's modules hand each other. For the type check only.

import type { AgentName, Message, ReadMark, Status, Unsent, Upload } from "../shared/types.js";

/** As GET /api/chat/session/:id returns it, and what we know besides. */
export interface Session {
  readonly id: string;
  readonly userId: string;
  readonly userType: string;
  readonly status: Status;
  readonly agentId: string | null;
  readonly agent: AgentName | null;
  readonly queuePosition: number | null;
  readonly createdAt: string;
  readonly firstAssignedAt?: string | null;
  readonly handedOverAt?: string;
  readonly endedAt?: string | null;
  readonly endReason?: string | null;
  readonly endedBy?: string | null;
  readonly departmentId?: string | null;
  /** Why it has its agent. */
  readonly assignment?: { readonly reason: string } | null;
  readonly internalReason?: string | null;
  readonly messageCount: number;
  readonly lastSeq: number;
  readonly duration: number;
  readonly readSeq?: readonly ReadMark[];
  readonly context?: Context;
  readonly rating?: { readonly score: number; readonly comment: string | null } | null;
  readonly tags?: readonly string[];
  /** How many messages we have not read, and up to which seq they are counted. */
  readonly unreadCount: number;
  readonly countedSeq: number;
  /** Why it is not ours any more. */
  readonly gone: { readonly reason: string; readonly message: string | null } | null;
  /** When we last heard of it, and of each of its fields (performance.now()). */
  readonly touched: number;
  readonly heard: Readonly<Record<string, number>>;
}

/** What the visitor, or the site, has told of the visitor. */
export interface Context {
  readonly visitor: { readonly name: string | null; readonly email: string | null; readonly phone: string | null };
  readonly page: { readonly url: string; readonly title: string | null } | null;
  readonly locale: string | null;
  readonly timezone: string | null;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
  readonly pages?: readonly VisitedPage[];
  readonly device?: { readonly browser: string | null; readonly os: string | null; readonly kind: string } | null;
  readonly isVerified?: boolean;
}

export interface VisitedPage {
  readonly url: string;
  readonly title: string | null;
  readonly at: string;
}

/** What was said in a session, as far as it is shown. */
export interface Talk {
  /** Without a gap, by seq. */
  readonly messages: readonly Message[];
  /** The oldest first; and whether they were asked for. */
  readonly notes: readonly Note[];
  readonly noted: boolean;
  readonly lastSeq: number | null;
  readonly hasEarlier: boolean;
  readonly loading: boolean;
  /** The last messages were asked for by REST. */
  readonly asked: boolean;
  readonly error: string | null;
  /** How far each user has read, by their ids. */
  readonly reads: ReadonlyMap<string, number>;
  /** Up to where the server knows that we have read. */
  readonly markedSeq: number;
  /** The ids of those who write now. */
  readonly typing: ReadonlySet<string>;
  /** Whether the visitor is there, once we have heard of it. */
  readonly presence: boolean | null;
  readonly endsAt: string | null;
  /** It is followed by the socket. */
  readonly live: boolean;
  /** It is somebody else's, and a supervisor looks at it. */
  readonly watching: boolean;
}

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly maxUsers: number;
  /** Everybody's load says how many; an agent's own record names them. */
  readonly activeUsers: number | readonly string[];
  readonly isOnline: boolean;
  readonly role?: string;
  readonly kind?: "human" | "bot";
  readonly isAway?: boolean;
}

export interface AgentLoad extends Agent {
  readonly activeUsers: number;
}

export interface QueueEntry {
  readonly sessionId?: string;
  readonly userId: string;
  readonly departmentId?: string | null;
  readonly position: number;
  readonly waitingSince: string;
}

/** A part of the team. */
export interface Department {
  readonly id: string;
  readonly name: string;
}

/** How many wait for a department. */
export interface DepartmentQueue extends Department {
  readonly waiting: number;
  /** Nobody is there, and its sessions do not go to others. */
  readonly isStarving: boolean;
}

export interface Queue {
  readonly total: number;
  readonly departments?: readonly DepartmentQueue[];
  readonly longestWaitingSince: string | null;
  readonly sessions: readonly QueueEntry[];
}

/** What staff tell each other about a chat. */
export interface Note {
  readonly id: string;
  readonly sessionId: string;
  readonly authorId: string;
  readonly authorName: string;
  readonly text: string;
  /** A bot wrote it for the person who gets the chat. */
  readonly isSummary?: true;
  readonly createdAt: string;
}

/** A canned reply. */
export interface Reply {
  readonly id: string;
  readonly shortcut: string;
  readonly title: string;
  readonly text: string;
}

/** What the ended chats are filtered by; "" does not filter. The days are days here, such as 2026-11-27. */
export interface Filters {
  readonly from: string;
  readonly to: string;
  readonly agentId: string;
  readonly tag: string;
  readonly reason: string;
}

/** A chat that the search has found, and the messages that have the words. */
export interface Found {
  readonly session: Session;
  readonly matches: readonly { readonly seq: number; readonly snippet: string; readonly at: string }[];
}

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: string;
  readonly label: string | null;
  readonly act: (() => unknown) | null;
  /** What else happens if the agent closes it. */
  readonly close: (() => unknown) | null;
}

/** How a chat ends, in a moment. */
export interface End {
  readonly reason: string;
  readonly internalReason?: string;
  /** It is on its way, and cannot be undone. */
  readonly isSent: boolean;
}

/** The store as `change` hands it out. */
export interface Draft {
  /** "expired": signed in, but the token is no good any more. */
  phase: "starting" | "signed-out" | "signed-in" | "expired";
  agent: Agent | null;
  /** "closed": the server wants no more of us. */
  link: "connecting" | "online" | "offline" | "closed";
  linkMessage: string | null;
  /** The first picture is there. */
  loaded: boolean;
  loadError: string | null;
  sessions: Map<string, Session>;
  /** By the ids of the sessions. */
  conversations: Map<string, Talk>;
  queue: Queue;
  /** By name. */
  departments: readonly Department[];
  endedCursor: string | null;
  /** All chats that began since then and have ended are loaded. */
  endedSince: string;
  filters: Filters;
  /** The ended chats that the filters let through, by their ids; null without filters. */
  found: {
    readonly ids: readonly string[];
    readonly cursor: string | null;
    readonly isLoading: boolean;
    readonly error: string | null;
  } | null;
  /** The chosen filter of each list of open chats. */
  chips: Map<string, string>;
  search: {
    readonly query: string;
    readonly isLoading: boolean;
    readonly results: readonly Found[];
    readonly cursor: string | null;
    readonly error: string | null;
  };
  /** A message that is to be shown, or was a moment ago. */
  spot: { readonly sessionId: string; readonly seq: number } | null;
  /** Why chats end, as the settings say; null until they are loaded. */
  endReasons: { label: string; isPublic: boolean }[] | null;
  /** The canned replies, once they are loaded. */
  replies: readonly Reply[] | null;
  /** The tags that chats have, the most used first, once they are loaded. */
  tags: readonly string[];
  /** The server has the feature. */
  hasNotes: boolean;
  /** The server has the feature, as far as we know. */
  hasPushes: boolean;
  /** What the field is for. */
  writes: "reply" | "note";
  /** A note is on its way. */
  noting: boolean;
  /** Everybody's load. */
  agents: readonly AgentLoad[];
  /** What is written and not sent, by the ids of the sessions; of notes, by `note-` and the id. */
  drafts: Map<string, string>;
  outbox: Map<string, readonly Unsent[]>;
  /** The files that are not sent yet. They do not survive a reload. */
  uploads: Map<string, readonly Upload[]>;
  /** The chats that the agent has ended and the server has not, by their ids. */
  ends: Map<string, End>;
  /** Why a session cannot be shown, by its id. */
  missing: Map<string, "refused" | "unreachable">;
  /** What the switch was set to, until the server has answered. */
  switching: boolean | null;
  /** What is being done to a session, by its id. */
  busy: Map<string, "ending" | "transferring" | "taking">;
  /** A user's other sessions, by the user's id. */
  earlier: Map<string, readonly Session[] | "loading" | "failed">;
  list: string;
  selected: string | null;
  /** The visitor's panel is open, where it does not fit beside the conversation. */
  panel: boolean;
  toasts: readonly Toast[];
}

/** The store as everybody may read it. */
export type State = {
  readonly [Name in keyof Draft]: Draft[Name] extends Map<infer Key, infer Value>
    ? ReadonlyMap<Key, Value>
    : Draft[Name];
};

/** A part of the page: made once, then updated. */
export interface View {
  element: HTMLElement;
  update(state: State): void;
}

/** What is shown where there is nothing to show. */
export interface Emptiness {
  image: string;
  title: string;
  text: string;
  label?: string;
  act?: () => unknown;
}
