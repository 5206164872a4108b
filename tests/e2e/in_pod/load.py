"""Posts a picture from several clients, each the next when it has its answer, with no retry: until standard input ends.

Arguments: URL, number of clients, how many of these keep their connection. The first line of standard input is the picture,
base64. Prints "going on" when every client has had an answer, and at the end what came back, as one line of JSON:

    {"requests": …, "texts": {text: count}, "failures": [{"at": seconds since 1970, "after": seconds, "sent": bool, "reason": …}]}

`sent` says whether the request had reached a server when it failed. Runs in a pod, with Python alone.
"""

import collections
import http.client
import json
import sys
import threading
import time
import urllib.parse

url, clients, kept = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
body = json.dumps({"images": [sys.stdin.readline().strip()]})
stop, lock = threading.Event(), threading.Lock()
warm = threading.Barrier(clients + 1)
texts: collections.Counter[str] = collections.Counter()
failures: list[dict[str, object]] = []


def ask(connection: http.client.HTTPConnection) -> None:
    """One request, on the connection as it is or a new one."""
    began, sent = time.time(), False
    try:
        if connection.sock is None:
            connection.connect()
        sent = True
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read().decode()
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"HTTP {answer.status}: {content[:200]}")
        text = " ".join(line["text"] for line in json.loads(content)["results"][0])
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        connection.close()
        with lock:
            failures.append({"at": began, "after": time.time() - began, "sent": sent, "reason": f"{type(error).__name__}: {error}"})
        time.sleep(0.1)  # as anybody would who asks again
    else:
        with lock:
            texts[text] += 1


def client(number: int) -> None:
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    ask(connection)
    warm.wait()
    while not stop.is_set():
        if number >= kept:
            connection.close()
        ask(connection)
    connection.close()


threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
for thread in threads:
    thread.start()
warm.wait()
print("going on", flush=True)
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({"requests": texts.total() + len(failures), "texts": texts, "failures": failures}))
