"""What the events of a stream make of an item, as a client shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit import types
from chatkit.widgets import WidgetComponentBase

# Parts that a message may have. An index above it would fill the memory.
MOST_PARTS = 1000
PART = (
    types.AssistantMessageContentPartAdded,
    types.AssistantMessageContentPartDone,
)


def has_content(item: types.ThreadItem) -> bool:
    """Whether there is something of an item to read or to see."""
    match item:
        case types.AssistantMessageItem():
            return bool(text_of(item).strip())
        case types.WorkflowItem():
            return bool(item.workflow.tasks or item.workflow.summary)
        case types.WidgetItem() | types.TaskItem():
            return True
    # An image that has ended has an end of its own. A question or a call of a tool in
    # the browser that is not complete cannot be answered.
    return False


def text_of(item: types.AssistantMessageItem) -> str:
    """Return the words of a message."""
    return "".join(part.text for part in item.content)


def update(item: types.ThreadItem, change: types.ThreadItemUpdate) -> None:
    """Change an item as a client would. What changes stays the code's that sent it."""
    match item, change:
        case types.AssistantMessageItem(), _:
            _update_message(item, change)
        case types.WidgetItem(), types.WidgetRootUpdated():
            item.widget = change.widget.model_copy(deep=True)
        case types.WidgetItem(), types.WidgetComponentUpdated():
            _replace(item.widget, change.component_id, change.component)
        case types.WidgetItem(), types.WidgetStreamingTextValueDelta():
            _add_text(item.widget, change.component_id, change.delta)
        case types.WorkflowItem(), types.WorkflowTaskAdded():
            place = min(change.task_index, len(item.workflow.tasks))
            item.workflow.tasks.insert(place, change.task.model_copy(deep=True))
        case types.WorkflowItem(), types.WorkflowTaskUpdated():
            if change.task_index < len(item.workflow.tasks):
                task = change.task.model_copy(deep=True)
                item.workflow.tasks[change.task_index] = task


def _update_message(
    item: types.AssistantMessageItem, change: types.ThreadItemUpdate
) -> None:
    place = getattr(change, "content_index", None)
    if place is None or not 0 <= place <= MOST_PARTS:
        return
    while len(item.content) <= place:
        item.content.append(types.AssistantMessageContent(text=""))
    if isinstance(change, PART):
        item.content[place] = change.content.model_copy(deep=True)
    elif isinstance(change, types.AssistantMessageContentPartTextDelta):
        item.content[place].text += change.delta
    elif isinstance(change, types.AssistantMessageContentPartAnnotationAdded):
        annotation = change.annotation.model_copy(deep=True)
        item.content[place].annotations.insert(change.annotation_index, annotation)


def _replace(widget: Any, key: str, component: Any) -> None:
    """Replace a component of a widget."""
    for parent in _components(widget):
        children = getattr(parent, "children", None)
        if isinstance(children, list):
            for place, child in enumerate(children):
                if getattr(child, "id", None) == key:
                    children[place] = component.model_copy(deep=True)
        elif getattr(children, "id", None) == key:
            parent.children = component.model_copy(deep=True)


def _add_text(widget: Any, key: str, delta: str) -> None:
    """Add to the text of a component that is being streamed."""
    for component in _components(widget):
        if component.id == key and hasattr(component, "value"):
            component.value = f"{component.value or ''}{delta}"


def _components(widget: Any) -> Iterator[Any]:
    """Yield a widget and every component in it."""
    waiting = [widget]
    while waiting:
        component = waiting.pop()
        if isinstance(component, WidgetComponentBase):
            yield component
            children = getattr(component, "children", None)
            waiting += children if isinstance(children, list) else [children]
