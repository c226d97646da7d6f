"""Text without passwords: what may be shown, logged or kept of the URL of a database."""

import re

MASK = "***"
# A password that was not quoted may hold any sign, "@" too: all up to the last one of the line is taken for it.
_OF_USER = re.compile(r"(://[^:/?#\s@]*):.*@")
_PARAMETER = re.compile(r"([?&][\w.-]*(?:passw(?:or)?d|secret|token)[\w.-]*=)[^&\s'\"]*", re.IGNORECASE)


def masked(text: str) -> str:
    """Return the text with every password of a URL in it replaced.

    >>> masked("env:SHOP_URL or postgresql+psycopg://replen:s3cr@t@db/shop?sslpassword=x&sslmode=require")
    'env:SHOP_URL or postgresql+psycopg://replen:***@db/shop?sslpassword=***&sslmode=require'
    """
    return _PARAMETER.sub(rf"\1{MASK}", _OF_USER.sub(rf"\1:{MASK}@", text))


def tells_secret(text: str) -> bool:
    """Return whether there is something to mask.

    >>> tells_secret("sqlite:///orders.db"), tells_secret("mysql+pymysql://replen:x@db/shop")
    (False, True)
    """
    return masked(text) != text
