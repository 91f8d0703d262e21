"""Kept so that scripts written against earlier versions still load: the module is `littlehuman.models.weights`."""

from littlehuman.models.weights import resolve

__all__ = ["resolve"]
