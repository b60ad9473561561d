#!/usr/bin/env node
// Debian's Firefox, as Playwright can drive it by WebDriver BiDi. Playwright sends one command that this Firefox does not
// know yet (emulation.setMediaFeaturesOverride) and gives up. So this program starts Firefox, stands between the two,
// answers that command itself, and passes everything else on.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { WebSocket, WebSocketServer } = createRequire(new URL("../e2e/js/", import.meta.url))("ws");
const UNKNOWN = "emulation.setMediaFeaturesOverride";
const ADDRESS = /ws:\/\/[^/\s]+/;

const firefox = spawn(process.env.FIREFOX, process.argv.slice(2), { stdio: ["inherit", "inherit", "pipe"] });
firefox.on("exit", (status) => process.exit(status ?? 1));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => firefox.kill(signal));

createInterface(firefox.stderr).on("line", (line) => {
  const [address] = line.match(ADDRESS) ?? [];
  if (!address) return console.error(line);
  const relay = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
    console.error(line.replace(ADDRESS, `ws://127.0.0.1:${relay.address().port}`)),
  );
  relay.on("connection", (playwright, { url }) => {
    const browser = new WebSocket(address + url);
    const opened = new Promise((resolve) => browser.on("open", resolve));
    playwright.on("message", async (data) => {
      const { id, method } = JSON.parse(data);
      if (method === UNKNOWN) return playwright.send(JSON.stringify({ type: "success", id, result: {} }));
      await opened;
      browser.send(`${data}`);
    });
    browser.on("message", (data) => playwright.send(`${data}`));
    playwright.on("close", () => browser.close());
    browser.on("close", () => playwright.close());
  });
});
