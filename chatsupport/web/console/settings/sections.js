import { createAgents } from "./agents.js";
import { createBots } from "./bots.js";
import { createEndReasons, createQuestions, createTexts } from "./chat.js";
import { createDepartments } from "./departments.js";
import { createHours } from "./hours.js";
import { createLook } from "./look.js";
import { createReplyList } from "./replies.js";
import { words } from "./texts.js";
import { createWebhooks } from "./webhooks.js";

/**
 * @typedef {object} Section
 * @property {string} id what the address says: #/settings/<id>
 * @property {string} label
 * @property {() => HTMLElement} create
 * @property {string} [part] the part of the settings that it edits; without it, it stores what it edits by itself
 */

/**
 * The sections of the page, by their groups. A new one is a file and a line here.
 * @type {{ label: string, sections: Section[] }[]}
 */
export const GROUPS = [
  {
    label: words.page.team,
    sections: [
      { id: "agents", label: words.agents.title, create: createAgents },
      { id: "departments", label: words.departments.title, create: createDepartments },
      { id: "replies", label: words.replies.title, create: createReplyList },
      { id: "reasons", label: words.endReasons.title, create: createEndReasons, part: "endReasons" },
    ],
  },
  {
    label: words.page.chat,
    sections: [
      { id: "bots", label: words.bots.title, create: createBots, part: "botId" },
      { id: "hours", label: words.hours.title, create: createHours, part: "hours" },
      { id: "texts", label: words.words.title, create: createTexts, part: "texts" },
      { id: "questions", label: words.questions.title, create: createQuestions, part: "preChat" },
      { id: "bubble", label: words.look.title, create: createLook, part: "widget" },
    ],
  },
  {
    label: words.page.systems,
    sections: [{ id: "webhooks", label: words.webhooks.title, create: createWebhooks }],
  },
];

export const SECTIONS = GROUPS.flatMap(({ sections }) => sections);
