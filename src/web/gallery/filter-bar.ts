import { useEffect, useRef, useState } from 'preact/hooks';
import type { LabelCount } from '../service/types.ts';
import { goTo } from '../state/navigation.ts';
import { usePage } from '../state/page.ts';
import { type Filters, hashOf, NO_FILTERS } from '../state/places.ts';
import { html } from '../ui/html.ts';
import { STATUS_WORDS } from '../ui/words.ts';
import { type Choice, ChoiceMenu } from './choice-menu.ts';

interface FilterBarProps {
  readonly filters: Filters;
}

/** What "Status" offers: statuses, and those that belong together; several are written with spaces between. */
const STATUS_CHOICES: Readonly<Record<string, string>> = {
  '': 'Any status',
  'queued generating processing': 'Unfinished',
  ...STATUS_WORDS,
  'failed cancelled': 'Failed or cancelled',
};

/** The words, statuses, labels and the preset that choose what is shown; all of it stands in the hash. */
export function FilterBar({ filters }: FilterBarProps) {
  const { status, label, preset } = filters;
  const { choices: labels, read: readLabels } = useLabels(label);
  const presets = usePresets(preset);
  const change = (some: Partial<Filters>) => goTo({ name: 'gallery', filters: { ...filters, ...some } });
  return html`<search class="filter-bar">
    <${SearchField} filters=${filters} />
    <${StatusField} chosen=${status.join(' ')} onChoose=${(chosen: string) => change({ status: chosen.split(' ').filter(Boolean) })} />
    <${ChoiceMenu} name="Label" choices=${labels} chosen=${label} empty="No picture has a label yet." onOpen=${readLabels}
      onChoose=${(chosen: readonly string[]) => change({ label: chosen })} />
    <div class="filter-choice"><label class="visually-hidden" for="filter-preset">Preset</label>
      <select id="filter-preset" value=${preset}
        onChange=${(event: Event) => change({ preset: (event.currentTarget as HTMLSelectElement).value })}>
        <option value="">Any preset</option>
        ${presets.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    </div>
    ${hasFilters(filters) && html`<button type="button" class="quiet" onClick=${clearFilters}>Clear filters</button>`}
  </search>`;
}

/** Whether anything is chosen. */
export function hasFilters(filters: Filters): boolean {
  return hashOf({ name: 'gallery', filters }) !== hashOf({ name: 'gallery', filters: NO_FILTERS });
}

/** Shows all pictures again. */
export function clearFilters(): void {
  goTo({ name: 'gallery', filters: NO_FILTERS });
}

/** Milliseconds after the last key until the search begins. */
const TYPING_MS = 300;
/** Characters that `GET /images` takes. */
const LONGEST_SEARCH = 200;

function SearchField({ filters }: FilterBarProps) {
  const [text, setText] = useState(filters.q);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef(filters);
  latest.current = filters;
  const searched = useRef(filters.q);
  useEffect(() => {
    // Back, or "Clear filters"; what this field searched for is there already.
    if (filters.q !== searched.current) setText(filters.q);
    searched.current = filters.q;
  }, [filters.q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (q: string) => {
    clearTimeout(timer.current);
    if (q === latest.current.q) return;
    searched.current = q;
    // The words of one search are one step of Back, not one for each letter.
    goTo({ name: 'gallery', filters: { ...latest.current, q } }, { replace: latest.current.q !== '' && q !== '' });
  };
  const type = (event: Event) => {
    const { value } = event.currentTarget as HTMLInputElement;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(value.trim()), TYPING_MS);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    search(text.trim());
  };
  return html`<form class="filter-search" onSubmit=${submit}>
    <label><span class="visually-hidden">Search</span>
      <input type="search" placeholder="Search the prompts" maxlength=${LONGEST_SEARCH} value=${text} onInput=${type} />
    </label>
  </form>`;
}

interface StatusFieldProps {
  /** Statuses with spaces between; empty for any. */
  readonly chosen: string;
  readonly onChoose: (chosen: string) => void;
}

function StatusField({ chosen, onChoose }: StatusFieldProps) {
  // A link may name others together.
  const choices = { ...STATUS_CHOICES, ...(!(chosen in STATUS_CHOICES) && { [chosen]: 'Several' }) };
  // Around the choice, the label's text would be that of all that can be chosen, too.
  return html`<div class="filter-choice"><label class="visually-hidden" for="filter-status">Status</label>
    <select id="filter-status" value=${chosen} onChange=${(event: Event) => onChoose((event.currentTarget as HTMLSelectElement).value)}>
      ${Object.entries(choices).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select>
  </div>`;
}

/** The labels that there are, the most used first, and those that are chosen; read when the menu opens. */
function useLabels(chosen: readonly string[]) {
  const { service } = usePage();
  const [known, setKnown] = useState<readonly LabelCount[]>([]);
  const read = async () => {
    try {
      setKnown((await service.labels()).items);
    } catch {
      // Those that are known stay; the list itself says what is wrong.
    }
  };
  const others = chosen.filter((label) => !known.some((one) => one.label === label));
  const choices: Choice[] = [
    ...others.map((label) => ({ value: label, text: label })),
    ...known
      .toSorted((one, other) => other.images - one.images)
      .map(({ label, images }) => ({ value: label, text: label, count: images })),
  ];
  return { choices, read };
}

/** The names of the presets, and the one that is chosen. */
function usePresets(chosen: string): readonly string[] {
  const { service } = usePage();
  const [known, setKnown] = useState<readonly string[]>([]);
  useEffect(() => {
    let isOver = false;
    service.presets().then(
      ({ items }) => {
        if (!isOver) setKnown(items.map(({ name }) => name));
      },
      () => {},
    );
    return () => {
      isOver = true;
    };
  }, [service]);
  return chosen === '' || known.includes(chosen) ? known : [chosen, ...known];
}
