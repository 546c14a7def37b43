// What a dashboard file may say, put together from Grafana's own types. generated.ts adds the lists that
// exist only as values (units, reducers, colours, transformers).
import type * as s from '@grafana/schema';
import type * as d from '@grafana/data';
import type { Color, Reducer, Transformers, Unit } from './generated';

/** T as written in JSON: enums by their value, and strings with a closed vocabulary by that. */
export type Json<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer N extends number}` ? N : never)
  : T extends boolean | null | undefined ? T
  : T extends (...args: never[]) => unknown ? never
  : T extends ReadonlyArray<infer U> ? Array<Json<U>>
  : { [K in keyof T]: Value<K, T[K]> };
type Value<K, V> = K extends 'unit' ? Unit | Extract<V, undefined>
  : K extends 'calcs' | 'reducers' ? Reducer[] | Extract<V, undefined>
  : K extends 'color' | 'fixedColor' ? (V extends string ? Color : Json<V>)
  : Json<V>;

// --- Field configuration: {defaults, overrides}. F is the panel type's own part, under "custom".
type Std = Omit<s.FieldConfig, 'custom' | 'links'> & { links: Link[] };
interface Link { title: string; url: string; targetBlank?: boolean; oneClick?: boolean }
type DashboardLink = Partial<Json<s.DashboardLink>> & { title: string }; // Grafana fills in the rest
type Defaults<F> = Json<Partial<Std>> & { custom?: Json<Partial<F>> };
type Flat<T> = Required<T>;
type Property<F> =
  | { [K in keyof Std]-?: { id: K; value: Value<K, Std[K]> } }[keyof Std]
  | { [K in keyof F & string]-?:
      | { id: `custom.${K}`; value: Value<K, F[K]> }
      | (NonNullable<F[K]> extends string | number | boolean | unknown[] ? never
        : { [L in keyof Flat<NonNullable<F[K]>> & string]:
            { id: `custom.${K}.${L}`; value: Value<L, NonNullable<F[K]>[L & keyof NonNullable<F[K]>]> } }[keyof NonNullable<F[K]> & string]) }[keyof F & string];
type Op = 'eq' | 'neq' | 'gt' | 'gte' | 'lt' | 'lte';
type Matcher =
  | { id: 'byName' | 'byRegexp' | 'byFrameRefID'; options: string }
  | { id: 'byType'; options: `${d.FieldType}` }
  | { id: 'byNames'; options: { mode: 'include' | 'exclude'; names: string[]; prefix?: string; readOnly?: boolean } }
  | { id: 'byValue'; options: { reducer: Reducer; op: Op; value?: number } };
interface FieldConfig<F> { defaults: Defaults<F>; overrides: Array<{ matcher: Matcher; properties: Array<Property<F>> }> }

// --- Transformations, by their id.
type Options<X> = X extends { operator: (options: infer O, ...rest: never[]) => unknown } ? Partial<Json<O>> : never;
type Standard = typeof d.standardTransformers;
type Transformation = { [Id in keyof Transformers]: { id: Id; options: Options<Standard[Transformers[Id] & keyof Standard]> & (Id extends keyof Extra ? Extra[Id] : unknown) } & TrRest }[keyof Transformers]
  | ({ id: Exclude<`${d.DataTransformerID}`, keyof Transformers>; options: object } & TrRest);
interface Extra { sortBy: { fields?: {} } } // Grafana's editor writes this too
interface TrRest { disabled?: boolean; filter?: { id: string; options?: unknown }; topic?: `${s.DataTopic}` }

// --- Prometheus queries. No package under a permissive licence has their type; these are its documented fields.
type Datasource = { type?: string; uid?: string } | null;
interface PromQuery {
  refId: string; expr: string; datasource?: Datasource; hide?: boolean; queryType?: string; interval?: string;
  format?: 'time_series' | 'table' | 'heatmap'; instant?: boolean; range?: boolean; exemplar?: boolean;
  legendFormat?: string; intervalFactor?: number; editorMode?: 'builder' | 'code';
  useBackend?: boolean; disableTextWrap?: boolean; fullMetaSearch?: boolean; includeNullMetadata?: boolean;
}

export type Panel<Id extends string, O, F> = Json<Omit<s.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations' | 'datasource' | 'gridPos' | 'links'>> & {
  type: Id; gridPos: Json<s.GridPos>; datasource?: Datasource; options?: Json<Partial<O>>; fieldConfig?: FieldConfig<F>;
  targets?: PromQuery[]; transformations?: Transformation[]; links?: DashboardLink[];
};
export type Row = Omit<Json<s.RowPanel>, 'panels' | 'datasource'> & { panels: []; datasource?: Datasource };

type Variable = Omit<Json<s.VariableModel>, 'current' | 'datasource' | 'query'> & {
  current?: Partial<Json<s.VariableOption>>; datasource?: Datasource; definition?: string; error?: null; queryValue?: string;
  query?: string | { query: string; refId: string; qryType?: number };
};
type Input = { name: string; label: string; description?: string; type: string; pluginId?: string; pluginName?: string; value?: string };
export type Dashboard = Omit<Json<s.Dashboard>, 'panels' | 'templating' | 'annotations' | 'links'> & {
  panels?: []; links?: Array<DashboardLink & { type: string }>; templating?: { list?: Variable[] };
  annotations?: { list?: Array<Omit<Json<s.AnnotationQuery>, 'target' | 'datasource'> & { target?: object; datasource?: Datasource; expr?: string; step?: string; titleFormat?: string; textFormat?: string; tagKeys?: string; useValueForTime?: boolean | string }> };
  __inputs?: Input[]; __elements?: object; __requires?: Array<{ type: string; id: string; name: string; version: string }>;
};
