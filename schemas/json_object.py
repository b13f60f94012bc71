"""JSON that is made, not read: documents and schemas."""

from typing import Any

JsonObject = dict[str, Any]
