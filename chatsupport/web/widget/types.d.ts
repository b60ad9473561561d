// What the widget's modules hand each other. For the type check only.

import type { h } from "../shared/elements.js";
import type { AgentName, Message, Status, Unsent } from "../shared/types.js";
import type english from "./languages/en.js";
import type words from "./parts/languages/en.js";

export type Texts = typeof english;
export type Words = typeof words;
export type Elements = typeof h;

declare global {
  interface Window {
    /** What a page may ask of the chat; docs/widget.md. */
    ChatSupport: object;
  }

  /** The parameter of the function that bundle.py puts around the chat's modules. */
  const given: Page;
  /** The parameter of the one around the loader: what the server is set to, as data-* attributes would say it. */
  const settings: Partial<Options>;
}

/** Makes a button with a line drawing. */
export type Icon = (label: string, d: string, properties?: object) => HTMLButtonElement;

/** Tells the page, which listens with ChatSupport.on(). */
export type Emit = (event: string, detail?: unknown) => void;

/** What loader.js hands to the chat. */
export interface Page {
  /** Loads modules and styles of the widget, however long it takes. */
  load(...paths: string[]): Promise<any[]>;
  /** The texts of the parts; only parts have them. */
  words: Words;
  h: Elements;
  icon: Icon;
  texts: Texts;
  bubble: HTMLElement;
  options: Options;
  /** Returns under which key is kept what belongs to somebody the page has named, or to a guest. */
  keyOf(userId?: string): string;
  emit: Emit;
}

/** The script tag's attributes, and where the server is. */
export interface Options extends Omit<DOMStringMap, "files" | "preChat"> {
  /** How many bytes a file may have; absent where none may be sent. */
  files?: any;
  /** Questions that the server asks before a chat begins. */
  preChat?: any;
  server: string;
  io?: string;
  userId: string;
  userHash: string | undefined;
}

/** What outlives the page; anything may be missing. */
export interface Kept {
  userId?: string | null;
  token?: string | null;
  /** A token that is no good any more, by which a guest gets a new one. */
  worn?: string | null;
  hash?: string;
  sessionId?: string | null;
  since?: number;
  read?: any;
  ended?: boolean;
  names?: Record<string, string>;
  outbox: readonly Unsent[];
  unread?: number;
  sound?: boolean;
  live?: boolean;
  answers?: Answers;
  joins?: any;
  past?: any;
  /** The token of the guest that this person was, and what is theirs. */
  from?: string | null;
  was?: Partial<Kept>;
}

/** What outlives the page, in this tab. */
export interface KeptInTab {
  open?: boolean;
  draft?: string;
  /** The session in which the visitor has asked for a person, until that is done. */
  asked?: string | null;
  token?: string | null;
  hash?: string;
}

export interface Person {
  readonly key: string;
  kept(): Kept;
  tab(): KeptInTab;
  note(changes: KeptInTab): void;
  secret(): Pick<Kept, "token" | "hash">;
  keepSecret(changes: Partial<Kept>): void;
  keep(changes: Partial<Kept>): void;
  /** Forgets them; where `here`, what other tabs share stays. */
  discard(here?: boolean): void;
}

/** `GET /api/chat/availability`. */
export interface Availability {
  isOpen: boolean;
  opensAt: string | null;
  isStaffed: boolean;
  estimatedWaitSeconds?: number | null;
}

/** A question before a chat begins, as in the server's settings. */
export interface Question {
  key: string;
  label: string;
  type: "text" | "email" | "phone" | "select";
  options?: readonly string[];
  required: boolean;
}

/** The visitor's answers, as a session's start takes them. */
export interface Answers {
  visitor: Record<string, string>;
  fields: Record<string, string>;
}

/** What is shown. */
export interface State {
  id: string | null;
  status: Status | null;
  agent: AgentName | null;
  place: number | null;
  since: number;
  messages: Message[];
  /** How far the visitor has read, and how far an agent has. */
  read: number;
  theirs: number;
  isTyping: boolean | null;
  isIdle: boolean | null;
  hasMore: boolean | null;
  /** The visitor has ended the chat, and the server has not confirmed it. */
  isEnding: boolean | null;
  unsent: readonly Unsent[];
  /** Agents' names, by their ids. */
  names: Record<string, string>;
  /** The agents in turn, each with the seq of the last message before. */
  joins: readonly { id: string; seq: number }[];
  isLinked: boolean;
  /** The code of what was refused. */
  problem: string | null;
  desk: Availability | undefined;
  /** What the server asked for in vain when a session was to start. */
  wrong: readonly { field: string }[] | undefined | null;
}

/** What the view hands to a part that it shows. */
export interface Shown {
  panel: HTMLElement;
  /** The greeting, which comes first in the panel. */
  hello: HTMLElement;
  own: Person;
  chat: any;
  state: State;
  /** Focuses what the visitor most likely needs next. */
  focus(): void;
  chime(): void;
  /** Whether there are questions that the visitor must answer before the chat begins. */
  isAsked(): boolean;
  /** Asks them, if there are any. Whether the chat may begin. */
  isAnswered(): Promise<unknown>;
  retry(entry: Unsent): void;
  /** Resolves with what another part exports. */
  use(name: string): Promise<any>;
  /** Draws the chat again. */
  render(): void;
}
