"""From what a user wrote to a finished job.

There are four engines, which run the same tasks and give the same answer:

    inline    one process, one task after the other; the answer that the others are held to
    local     a master and a worker in this process, with slots of their own processes
    cluster   a master and workers on any machines: `zmr.net`, which `start_worker` and `resume`
              set going, and `zmr submit` hands jobs to
    ray       a master in this process, whose one worker has its tasks run by Ray

The other modules are what they share. A job goes through `options` (what was asked for), `inputs`
(which files), `sampling` (where `Range()` cuts the keys) and `prepare` (all of it checked);
`replay` runs one task of a failed job again.

The command shows its first line before Arrow is loaded. So whatever only some jobs need, or needs
Arrow, is imported in the function that uses it.
"""
