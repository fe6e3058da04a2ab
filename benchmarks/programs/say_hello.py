"""The task of the cold process."""

from holdfast import task


@task
async def say_hello(name: str = "Holdfast") -> str:
    """Print before anything else."""
    print("here", flush=True)
    return name
