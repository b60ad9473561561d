"""Load tests: ours beside a hand-tuned Node.js peer. README.md says how to run them and how to read them."""
