import { type Advice, adviceFor, isRefusal, lacks, namedParameter, refusedParameters } from './advice.ts';
import type { Answer, Case, FlagName, Target } from './case.ts';
import { casesOf, FIRST_EDIT, FIRST_PICTURE, mostPictures } from './cases.ts';
import { type Exchange, NoAnswerError } from './exchange.ts';
import { hasPicture, refusal } from './expectations.ts';
import { drawInputs } from './inputs.ts';

/** How a case ended. `untried` was not sent, or got an answer that says nothing of its promise. */
export type Verdict = 'conforms' | 'deviates' | 'untried';

export interface Outcome {
  readonly name: string;
  readonly promise: string;
  readonly verdict: Verdict;
  /** Where it deviates, or why it was not tried, or which of two ways the server takes: sentences without a stop. */
  readonly findings: readonly string[];
}

export interface Report {
  readonly url: string;
  readonly model: string;
  /** The most pictures that the run may have been billed for. */
  readonly mostPictures: number;
  readonly conforms: boolean;
  readonly cases: readonly Outcome[];
  readonly advice: readonly Advice[];
}

export interface RunOptions {
  readonly exchange: Exchange;
  readonly baseUrl: string;
  readonly key: string | null;
  readonly model: string;
  /** `WxH`. */
  readonly size: string;
  readonly edits: boolean;
  /** Called as soon as a case has ended. */
  readonly onOutcome?: (outcome: Outcome) => void;
}

/**
 * Sends every case once, one after the other, and says how each ended. Nothing is sent twice that may have been billed: after a call
 * without a whole answer, a refused key, a limit or a fault of the server, nothing more is sent. The first picture is asked for with
 * fewer parameters where the server refuses some, so that the others are tried with what it takes.
 *
 * Raises `NoAnswerError` where the first call, which is free, has no answer.
 */
export async function runConformance(options: RunOptions): Promise<Report> {
  const { exchange, baseUrl, key, model, size, edits, onOutcome } = options;
  const cases = casesOf({ edits });
  const outcomes: Outcome[] = [];
  const refused = new Set<string>();
  let target: Target = {
    baseUrl,
    key,
    model,
    size,
    base: { model, prompt: PROMPT, size, quality: 'low', n: 1 },
    inputs: await drawInputs(size),
  };
  /** Why no case is tried any more. */
  let stopped: string | null = null;
  const shown = { key: key !== null, picture: false, edit: false };
  const lacking = new Set<FlagName>();

  for (const one of cases) {
    const outcome = await tryCase(one);
    outcomes.push(outcome);
    onOutcome?.(outcome);
  }
  return {
    url: baseUrl,
    model,
    mostPictures: mostPictures(cases),
    conforms: outcomes.every(({ verdict, name }) => verdict === 'conforms' || !isNeeded(name)),
    cases: outcomes,
    advice: adviceFor(refused, lacking),
  };

  /** An untried case counts against the server unless it was tried without a key, which leaves nothing to be found. */
  function isNeeded(name: string): boolean {
    const found = cases.find((one) => one.name === name);
    return found?.needs !== 'key' || key !== null;
  }

  async function tryCase(one: Case): Promise<Outcome> {
    const reason = stopped ?? (one.needs === undefined || shown[one.needs] ? null : REASONS[one.needs]);
    if (reason !== null) return outcomeOf(one, 'untried', [reason]);
    try {
      const answer = one === FIRST_PICTURE ? await findPicture() : await exchange.send(one.send(target));
      return await judge(one, answer);
    } catch (error) {
      if (!(error instanceof NoAnswerError) || outcomes.length === 0) throw error;
      stopped = `no call is sent after one without an answer, ${one.name}`;
      return outcomeOf(one, 'deviates', [`there is no answer: ${error.message}`]);
    }
  }

  async function judge(one: Case, answer: Answer): Promise<Outcome> {
    for (const name of refusedParameters(answer, one)) refused.add(name);
    if (one === FIRST_PICTURE) shown.picture = hasPicture(answer);
    if (one === FIRST_EDIT) shown.edit = hasPicture(answer);
    if (one.flag !== undefined && lacks(answer, one.flag)) lacking.add(one.flag);
    if (isLast(one, answer)) stopped = `no call is sent after ${one.name}: ${refusal(answer)}`;
    const findings: string[] = [];
    for (const expectation of one.expect) findings.push(...(await expectation(answer, target)));
    if (one === FIRST_PICTURE) findings.push(...leftOut());
    if (findings.length > 0) return outcomeOf(one, 'deviates', [...new Set(findings)]);
    return outcomeOf(one, 'conforms', one.note === undefined ? [] : [one.note(answer)]);
  }

  /** What the first picture was made without. */
  function leftOut(): readonly string[] {
    return OPTIONAL.filter((name) => refused.has(name)).map((name) => `it refuses \`${name}\``);
  }

  /** Asks for the first picture, with fewer parameters after each refusal. Only the last of these calls can have been billed. */
  async function findPicture(): Promise<Answer> {
    const full = target;
    let omitted: readonly string[] = [];
    const blind = [...OPTIONAL.map((name) => [name]), OPTIONAL];
    for (;;) {
      target = without(full, omitted);
      const answer = await exchange.send(FIRST_PICTURE.send(target));
      if (answer.status === 200) for (const name of omitted) refused.add(name);
      const left = OPTIONAL.filter((name) => !omitted.includes(name));
      if (!isRefusal(answer) || left.length === 0) return answer;
      const named = namedParameter(answer, left);
      const next = named === null ? blind.shift() : [...omitted, named];
      if (next === undefined) return answer;
      omitted = next;
    }
  }
}

const PROMPT = 'a plain grey circle on a white ground';
/** Parameters of the first picture that a server may lack. */
const OPTIONAL: readonly string[] = ['quality', 'size', 'n'];
const REASONS = {
  key: 'there is no key',
  picture: 'no picture was made',
  edit: 'no picture was edited',
} as const;

function without(target: Target, names: readonly string[]): Target {
  const base = Object.fromEntries(Object.entries(target.base).filter(([name]) => !names.includes(name)));
  return { ...target, base, size: names.includes('size') ? null : target.size };
}

/** True where no other call would fare better: the key is refused, a limit is reached, or the server is down. */
function isLast(one: Case, { status }: Answer): boolean {
  if (status === 401 || status === 403) return one.needs !== 'key';
  return [402, 429, 502, 503, 504].includes(status) || (one === FIRST_PICTURE && status >= 500);
}

function outcomeOf({ name, promise }: Case, verdict: Verdict, findings: readonly string[]): Outcome {
  return { name, promise, verdict, findings };
}
