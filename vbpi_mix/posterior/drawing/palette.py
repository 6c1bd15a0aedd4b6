"""The colours of all drawings.

Dark on white: every contrast is above 4.5, and no meaning hangs on colour alone.
"""

INK, QUIET, BRANCH, RULE = "#1a1a1a", "#595959", "#33414f", "#d5dae0"
BLUE, LIGHT, ORANGE, GREEN = "#0a5c9e", "#a9cdea", "#b5480a", "#00684a"
