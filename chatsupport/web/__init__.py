"""The files of the widget, the console and the demo: plain ES modules and CSS, served as they are, no build step."""
