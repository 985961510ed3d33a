"""Which limits hold for a request, what it takes of each, and what is put right once it is known what it used.

All of it is a pure function of configuration and demand; who counts is `gateway.state`.
"""
