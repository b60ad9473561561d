// What the widget's modules hand each other. For the type check only.

import type { h } from "../shared/elements.js";
import type { AgentName, Message, Status, Unsent } from "../shared/types.js";
import type english from "./languages/en.js";

export type Texts = typeof english;
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
export interface Options extends DOMStringMap {
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
  /** The token of the guest that this person was, and what is theirs. */
  from?: string | null;
  was?: Partial<Kept>;
}

/** What outlives the page, in this tab. */
export interface KeptInTab {
  open?: boolean;
  draft?: string;
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
  forget(here?: boolean): void;
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
  isOnline: boolean;
  /** The code of what was refused. */
  problem: string | null;
  isStaffed: boolean | undefined;
}
