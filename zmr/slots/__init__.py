"""The processes that tasks run in, and how an agent starts, feeds, watches and kills them.

    in the agent's process      pool, with a channel for each slot; launch starts the fork server
    in the fork server          forkserver; the pool sends it packets
    in a slot's process         slot, which runs `zmr.tasks`; malloc and cpu make it quick

Slots need Linux (`zmr.slots.linux` says for what).
"""
