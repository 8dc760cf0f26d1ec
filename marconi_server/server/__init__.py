"""The HTTP server: a gunicorn worker class of our own.

worker.py      what gunicorn starts: processes, signals, the loop, the threads
connection.py  one client: its socket, its states, its deadlines
loads.py       how workers share new connections
tls.py         a client that speaks TLS
proxies.py     who is behind a proxy
http1.py       bytes to requests, without any input or output
answers.py     what the application answers to bytes, and the server's own refusals
log.py         gunicorn's log as a part of ours, and the access log
"""
