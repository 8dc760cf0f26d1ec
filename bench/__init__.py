"""The benchmark: `python -m bench` measures the server beside what limits it.

__main__.py    the command: its options, the order of the runs
cases.py       what is asked of the server, and how its queue is filled
contenders.py  who is asked: the server, the empty responder, the store alone
servers.py     starting and ending server processes, their CPU time
empty.py       the empty responder
wrk.py, lua/   the load over HTTP
threads.py     the load on a store, without HTTP
machine.py     what the figures were taken on, and how busy it was
report.py      from measurements to tables
"""
