"""Metadata of a field in `schema`: whether its value is part of the run id (`config/identity.py`)."""

NOT_IDENTITY = {"operational": True}  # never: the value cannot change a result
IF_SET = {"if_set": True}  # unless it is null or false: so runs keep the ids that they had before the field existed
IF_NULL = {"if_null": True}  # only where it is null: then a request lacks what all others have


def unless(default: object) -> dict[str, object]:
    """Only where it is not this value, which is what runs had before the field existed."""
    return {"unless": default}
