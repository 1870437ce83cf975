#!/usr/bin/env python3
"""The C99 program and the ctypes program must stream the demo model's known answers, token for token.

  chat_test.py MODEL COMMAND...    COMMAND is called with MODEL and a question behind it
"""

import json
import pathlib
import subprocess
import sys

FINISH = {"stop": 1, "length": 2}


def main():
    model, command = sys.argv[1], sys.argv[2:]
    chats = json.loads(pathlib.Path(model, "expected.json").read_text(encoding="utf-8"))["chats"]
    single = [c for c in chats if len(c["messages"]) == 1 and '"' not in c["messages"][0]["content"]]
    failed = 0
    for chat in single[:3]:
        question = chat["messages"][0]["content"]
        done = subprocess.run([*command, model, question], capture_output=True, text=True, timeout=300)
        want = (f"{chat['answer_text']}\nprompt {len(chat['prompt_ids'])} completion {len(chat['answer_ids'])} "
                f"finish {FINISH[chat['finish_reason']]}\n")
        good = done.returncode == 0 and done.stdout == want
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {question}")
        if not good:
            print(f"  status {done.returncode}\n  wanted {want!r}\n  got    {done.stdout!r}\n  errors {done.stderr[-2000:]!r}")
    print(f"{len(single[:3]) - failed} passed, {failed} failed")
    return 1 if failed or not single else 0


if __name__ == "__main__":
    sys.exit(main())
