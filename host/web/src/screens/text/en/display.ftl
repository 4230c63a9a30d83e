# The display.

screen-display = Display
display-title = Guests who have just arrived
display-idle = Welcome
display-more = { $n } more have just arrived
display-pair = Set up a display
display-pair-hint = From then on this machine lets itself in, and shows shortened names alone. Who asked for it has one half of the code, and who approved it the other.
display-number = Number of the display
display-code = Code, both halves
display-pair-do = Make this machine the display
problem-not-paired = The number or the code is not right, or this machine may not be the display any more. Ask whoever asked for it.
