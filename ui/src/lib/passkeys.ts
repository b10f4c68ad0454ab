// Passkeys (W3C Web Authentication): what the floor asks is handed to the browser, and its answer back.

/** A question of the floor: answered once, within five minutes. */
export interface Questioned {
  ceremony: string;
  options: object;
}
/** The answer. */
export interface Proof {
  ceremony: string;
  credential: unknown;
}

/** Whether this browser, at this address, can do it. */
export const able = (): boolean =>
  typeof PublicKeyCredential !== 'undefined' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

function answered(question: Questioned, credential: Credential | null): Proof {
  if (!(credential instanceof PublicKeyCredential)) throw new Error('the browser gave no passkey');
  return { ceremony: question.ceremony, credential: credential.toJSON() };
}

/** Answers with a passkey that there is. */
export async function shown(question: Questioned): Promise<Proof> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    question.options as PublicKeyCredentialRequestOptionsJSON,
  );
  return answered(question, await navigator.credentials.get({ publicKey }));
}

/** Makes a passkey. */
export async function made(question: Questioned): Promise<Proof> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    question.options as PublicKeyCredentialCreationOptionsJSON,
  );
  return answered(question, await navigator.credentials.create({ publicKey }));
}
