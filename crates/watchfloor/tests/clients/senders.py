"""Delivers messages with the clients that people use: one kind of sender for each function.

Arguments: kind, URL of the server, the sender's token, its certificate, how many messages. Says in JSON what
the client was told. Ends with 77 where the client's package is not installed. `texts_grpc` delivers the texts that
standard input gives, an array in JSON, in every field that a sender has a say in.
"""
import gzip
import json
import sys
import time
from urllib.parse import urlsplit


def message(kind, number):
    return {"probe": f"{kind}-{number}", "number": number, "text": 'Grüße "quoted" \\ ☃ \u202e', "deep": {"a": [1, None]}}


def hec(url, token, certificate, count):
    """The logging handler of a third party, for events; then a channel by hand, for acknowledgements."""
    import logging
    import requests
    from splunk_hec_handler import SplunkHecHandler

    place = urlsplit(url)
    handler = SplunkHecHandler(
        place.hostname, token, port=place.port, proto=place.scheme, ssl_verify=certificate,
        source="senders.py", sourcetype="_json", hostname="web-1",
    )
    logger = logging.getLogger("deliver")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    half = count // 2
    for number in range(half):
        logger.info(message("hec", number))
    session = requests.Session()
    session.verify = certificate
    session.auth = ("x", token)
    session.headers["X-Splunk-Request-Channel"] = "FE0ECFAD-13D5-401B-847D-77833BD77131"
    events = "".join(json.dumps({"event": message("hec", number)}) for number in range(half, count))
    sent = session.post(
        f"{url}/services/collector/event/1.0",
        data=gzip.compress(events.encode()),
        headers={"Content-Encoding": "gzip"},
    ).json()
    raw = session.post(f"{url}/services/collector/raw?sourcetype=json", json=message("raw", 0)).json()
    ids = [sent["ackId"], raw["ackId"], raw["ackId"] + 1000]
    asked = session.post(f"{url}/services/collector/ack", json={"acks": ids}).json()
    return {"codes": [sent["code"], raw["code"]], "acks": [asked["acks"][str(id)] for id in ids]}


def elastic(url, token, certificate, count):
    """The client of Elasticsearch's own makers, which checks whom it talks to."""
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import bulk

    client = Elasticsearch(url, api_key=("any", token), ca_certs=certificate, http_compress=True)
    cluster = client.info()["cluster_name"]
    half = count // 2
    actions = [{"_index": "logs-web", "_source": message("elastic", number)} for number in range(half)]
    taken, errors = bulk(client, actions, chunk_size=10)
    # As shippers into data streams do, with the token as a password.
    client = Elasticsearch(url, basic_auth=("elastic", token), ca_certs=certificate)
    more = ({"_op_type": "create", **message("elastic", number)} for number in range(half, count))
    more_taken, more_errors = bulk(client, more, index="logs-web")
    one = client.index(index="logs-web", document=message("document", 0))["result"]
    return {"cluster": cluster, "taken": taken + more_taken, "errors": errors + more_errors, "one": one}


def otlp(exporter, kind, count):
    import logging
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry._logs import SeverityNumber

    provider = LoggerProvider(resource=Resource.create({"service.name": "shop", "host.name": "web-1"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("senders.py")
    for number in range(count):
        logger.emit(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body=message(kind, number),
            attributes={"number": number},
        )
    flushed = provider.force_flush()
    provider.shutdown()
    return {"flushed": flushed}


def otlp_http(url, token, certificate, count):
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(
        f"{url}/v1/logs",
        certificate_file=certificate,
        headers={"authorization": f"Bearer {token}"},
        compression=Compression.Gzip,
    )
    return otlp(exporter, "otlp_http", count)


def grpc_exporter(url, token, certificate):
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    with open(certificate, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return OTLPLogExporter(
        urlsplit(url).netloc,
        credentials=credentials,
        headers={"authorization": f"Bearer {token}"},
        compression=grpc.Compression.Gzip,
    )


def otlp_grpc(url, token, certificate, count):
    return otlp(grpc_exporter(url, token, certificate), "otlp_grpc", count)


def texts_grpc(url, token, certificate, count):
    exporter = grpc_exporter(url, token, certificate)
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    flushed = True
    for text in json.load(sys.stdin):
        resource = Resource.create({"service.name": text, "host.name": text, text: text})
        provider = LoggerProvider(resource=resource)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        logger = provider.get_logger(text, version=text, schema_url=text)
        # A body that is a text, and one that a definition reads.
        for body in [f"grpc-text {text}", {"grpc-map": text, text: [text]}]:
            logger.emit(timestamp=time.time_ns(), severity_text=text, body=body, attributes={text: text})
        flushed = provider.force_flush() and flushed
    exporter.shutdown()
    return {"flushed": flushed}


if __name__ == "__main__":
    kind, url, token, certificate, count = sys.argv[1:]
    try:
        told = globals()[kind](url, token, certificate, int(count))
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    print(json.dumps(told))
