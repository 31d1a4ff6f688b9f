"""Process `web` cannot reach the broker: it does not even have the means."""

import subprocess
import sys


def test_the_web_process_imports_no_broker_and_no_signer() -> None:
    code = (
        "import sys\n"
        "import pipeline.run.web, pipeline.web.app, pipeline.web.serve, pipeline.web.notify\n"
        "found = [name for name in sys.modules if name.split('.')[0] in ('dramatiq', 'pika')"
        " or name.startswith(('pipeline.broker', 'pipeline.actors', 'pipeline.signer',"
        " 'settings.signer'))]\n"
        "print(found)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
