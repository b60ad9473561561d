"""Load tests of our server and a hand-tuned Node.js peer. README.md says how to run and read them."""
