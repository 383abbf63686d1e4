"""The proxy: stands before an OpenAI-compatible backend and answers with what each request used.

headers   what a proxy passes on, and what belongs to one connection alone
bodies    the little that is read of requests and answers: the model, and the tokens that the backend counted
events    an answer in parts (server-sent events): where its end is, and the figures just before it
figures   a measurement as headers and as a comment
metering  each request as work, at the daemon or in this process
server    HTTP/1.1 on asyncio and h11: connections, limits, whoever goes away
forward   from a request to the backend's answer
"""
