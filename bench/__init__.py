"""The benchmark: `python -m bench` measures the server beside what limits it.

__main__.py      which command: a contest, or one of growth, endurance, profile, report
options.py       the options that commands share, and what is not measured
run.py           from the check to the result that is kept, whatever is measured

contest.py       contenders take turns at cases
cases.py         what is asked of them, and how the queue is filled
contenders.py    who is asked: the product, the empty responder, the store alone
mongodb.py       those on MongoDB
bare.py          the cases by bare pymongo
measure.py       one measurement: warm up, put load on, note what it cost

growth.py        latencies as there is more of something
points.py        of what, and how such stores are filled
subjects.py      the operations that are timed
endurance.py     memory and disk while messages come and go
profile.py       where the CPU of a request goes
engines.py       SQLite and MongoDB with several databases at once

servers.py       starting and ending server processes, their CPU time and memory
empty.py         the empty responder
nothing.py       a store that does nothing
wrk.py, lua/     load over HTTP, as much as goes
paced.py         load over HTTP at a fixed rate
client.py        a connection of bytes
outcome.py       what a load tool says at the end
threads.py       load without HTTP
machine.py       what the figures were taken on, and how busy it was

results.py       results as they are kept
report.py, growth_report.py, endurance_report.py, tables.py    what people read of them
plots.py         and look at
guard.py         what became slower since the last ones
publish.py       figures and plots into the documentation
"""
