"""Stick tables: keys that outlive a connection, with the server they belong to and counters.

The entries live in LMDB (``store``), one file a table, shared by all processes and kept over restarts.
A process reads them where it needs them and writes from time to time (``table``).  Measured on one core,
with 30,000 entries in the table:

* finding the server of a known key takes 2 us: a read transaction is 1 us and needs no lock;
* one entry in a write transaction of its own costs 15 us and may have to wait for other processes, of a
  hundred in one transaction each costs 3 us.

So nothing on the way of a request writes, but for one thing: a key's first server, or a new one, is
written at once, that the client's next connection is at home in any process.  All else (counters, and
expiries that were refreshed) gathers in the process that saw it and is written by ``flush``, five times a
second, at most a hundred entries at a time; what the others wrote is read back when a key is met again
after a flush.  A counter is therefore exact in its own process and the farm's within 0.4 s; a
process that is killed takes what it counted since its last flush with it.  An expiry is written when it
moved by a 64th of ``expire``, so an entry may go that much early.

How many connections track a key now (``conn_cur``, ``use``) cannot be added up and left behind: each
process writes its own part beside its number, and the parts of processes that are gone do not count
(``owners``).

``keys`` makes keys of samples, ``columns`` knows the data types, ``affinity`` is what ``stick`` lines do,
``tracking`` what ``track-sc`` and the events after it do, ``show`` what the runtime socket answers.
"""
