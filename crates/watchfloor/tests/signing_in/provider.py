"""Those who vouch for people, made of other people's code.

`provider.py openid [PORT]`: an OpenID provider (PyPI: oidc-provider-mock, on Authlib), which here also insists on
PKCE. `PUT /users/SUB` says what is known of somebody; `POST /next/HOW` spoils the next ID token in that way.

`provider.py access`: the keys of a team of Cloudflare Access, in the shape of Cloudflare's documentation.
`POST /sign` signs the claims that it is given (PyJWT); `POST /rotate` begins a new key.

Says its port in its first line. Ends with 77 where a package is not installed.
"""
import base64
import datetime
import hashlib
import hmac
import json
import os
import sys
import time
import uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
try:
    import flask
    import jwt
    import oidc_provider_mock
    from authlib import jose
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from werkzeug.serving import make_server
except ImportError as missing:
    sys.stderr.write(str(missing))
    sys.exit(77)


def spoilt(how, claims, jwk):
    """An ID token that must not be believed, for one reason each."""
    key, header = jwk.get_private_key(), {}
    algorithm = "RS256"
    if how == "nonce":
        claims["nonce"] = "another"
    elif how == "no-nonce":
        del claims["nonce"]
    elif how == "audience":
        claims["aud"] = "another-client"
    elif how == "party":
        claims["aud"] = ["watchfloor", "another-client"]
        claims["azp"] = "another-client"
    elif how == "issuer":
        claims["iss"] = "http://localhost:1"
    elif how == "expired":
        claims["exp"] = int(time.time()) - 3600
    elif how == "future":
        claims["iat"] = claims["nbf"] = int(time.time()) + 3600
    elif how == "nobody":
        del claims["sub"]
    elif how == "key":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif how == "none":
        key, algorithm = None, "none"
    elif how == "hmac":
        # Signed with what everybody can read: the public key.
        public = jwk.get_public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        part = lambda told: base64.urlsafe_b64encode(told).rstrip(b"=")  # noqa: E731
        message = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
        return (message + b"." + part(hmac.digest(public, message, "sha256"))).decode()
    elif how == "critical":
        header = {"crit": ["b64"], "b64": False}
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


def openid():
    app = oidc_provider_mock.app()
    challenges, nexts = {}, []

    @app.post("/next/<how>")
    def spoil_next(how):
        nexts.append(how)
        return "", 204

    @app.before_request
    def insist_on_pkce():
        if flask.request.path == "/oauth2/token":
            verifier = flask.request.form.get("code_verifier", "")
            digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
            if challenges.pop(flask.request.form.get("code"), None) != digest.rstrip(b"=").decode():
                return flask.jsonify({"error": "invalid_grant"}), 400

    @app.after_request
    def note_or_spoil(response):
        if flask.request.path == "/oauth2/authorize" and "code=" in response.headers.get("Location", ""):
            assert flask.request.args["code_challenge_method"] == "S256"
            code = response.headers["Location"].split("code=")[1].split("&")[0]
            challenges[code] = flask.request.args["code_challenge"]
        if flask.request.path == "/oauth2/token" and response.status_code == 200 and nexts:
            told = json.loads(response.get_data())
            jwk = flask.g.oidc_provider_mock_storage.jwk
            claims = dict(jose.jwt.decode(told["id_token"], jwk))
            told["id_token"] = spoilt(nexts.pop(), claims, jwk)
            response.set_data(json.dumps(told))
        return response

    return app


def access():
    app = flask.Flask(__name__)
    keys = []

    def rotate():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme.cloudflareaccess.com")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=42)).sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        keys.append((uuid.uuid4().hex + uuid.uuid4().hex, key, pem))

    rotate()

    @app.get("/cdn-cgi/access/certs")
    def certs():
        told = []
        for kid, key, _ in keys[-2:]:
            jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            told.append({"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "e": jwk["e"], "n": jwk["n"]})
        pems = [{"kid": kid, "cert": pem} for kid, _, pem in keys[-2:]]
        return {"keys": told, "public_cert": pems[-1], "public_certs": pems}

    @app.post("/rotate")
    def turn():
        rotate()
        return "", 204

    @app.post("/sign")
    def sign():
        asked = flask.request.get_json()
        kid, key, _ = keys[-1]
        if asked.get("strange"):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode(asked["claims"], key, algorithm=asked.get("algorithm", "RS256"), headers={"kid": kid})

    return app


port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = make_server("127.0.0.1", port, openid() if sys.argv[1] == "openid" else access(), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
