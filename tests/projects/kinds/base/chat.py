from agents import Agent, ImageGenerationTool

from chatkit_images.server import DjangoChatKitServer


class DesignServer(DjangoChatKitServer):
    def get_agent(self, thread, context):
        return Agent(
            name="designer",
            instructions="Generate images when asked.",
            tools=[
                ImageGenerationTool(
                    tool_config={"type": "image_generation", "partial_images": 3}
                )
            ],
        )
