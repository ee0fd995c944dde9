r"""The forms of text that can be cast, the same on every engine: RE2 and Java read these patterns alike."""

INTEGER = r"\s*[+-]?[0-9]+\s*"
FLOAT = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*|\s*([+-]?(?i:inf|infinity)|(?i:nan))\s*"
DECIMAL = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\s*"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET = r"Z|[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?"
TIMESTAMP = rf"{DATE}([T ]{_TIME}({_OFFSET})?)?"
