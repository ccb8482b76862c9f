"""Many models: a plan, a process with limits for each model, a table of what came of it, and who hands out the work.

plan        what is asked for, as jobs whose outputs have names of their own
job         one job, and the row of the table that it becomes
child       what the process of a job does
supervisor  the process that starts those processes and holds them to their limits
engine      one job from its address to its row: the same code here and on a Dask worker
schedulers  who runs them: processes of this machine, or a Dask cluster
remote      sources and destinations with an address
table       the rows on the disk, from which a run takes up where another was stopped
page        the summary for a browser
run         `irconv.batch`
"""
