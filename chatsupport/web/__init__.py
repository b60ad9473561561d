"""The files of the widget, the console and the demo: plain ES modules and CSS, no build step."""
