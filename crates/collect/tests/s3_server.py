"""A server of S3 (moto), and a client (boto3) that does what it is told on standard input."""
import base64
import json
import logging
import sys
import threading

import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    region_name="eu-central-1",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="swordfish",
    config=Config(s3={"addressing_style": "path"}),
)
print(server.server_port, flush=True)
for line in sys.stdin:
    act = json.loads(line)
    if "body" in act:
        s3.put_object(Bucket=act["bucket"], Key=act["key"], Body=base64.b64decode(act["body"]))
    else:
        place = {"LocationConstraint": "eu-central-1"}
        s3.create_bucket(Bucket=act["bucket"], CreateBucketConfiguration=place)
    print("done", flush=True)
