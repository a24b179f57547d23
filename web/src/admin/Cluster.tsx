// The members of the cluster as they are now, and its background jobs. Any member answers, so it works while others die.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Progress, Table, Tag, Tooltip } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call, type Row } from '../api/client';
import { formatDate } from '../fields/Value';
import { useFeedback } from '../ui/feedback';
import { Failure, Loading, Nothing, Screen } from '../ui/states';

const often = 2_000;
const colours: Record<string, string> = {
  ready: 'green',
  starting: 'blue',
  draining: 'orange',
  lost: 'red',
  gone: 'default',
};

interface Event {
  at: number;
  text: string;
}

/** What changed between two looks: who came, who went, who changed state. */
export function changes(
  before: Row[],
  now: Row[],
  say: (what: 'came' | 'went' | 'state', member: Row) => string,
): string[] {
  const old = new Map(before.map((one) => [one.id, one]));
  const fresh = new Map(now.map((one) => [one.id, one]));
  return [
    ...now.filter((one) => !old.has(one.id)).map((one) => say('came', one)),
    ...before.filter((one) => !fresh.has(one.id)).map((one) => say('went', one)),
    ...now.filter((one) => old.has(one.id) && old.get(one.id)!.state !== one.state).map((one) => say('state', one)),
  ];
}

function since(ms: number, language: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  const format = (value: number, unit: string) =>
    new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' }).format(value);
  if (seconds < 120) return format(seconds, 'second');
  if (seconds < 7200) return format(Math.round(seconds / 60), 'minute');
  if (seconds < 172_800) return format(Math.round(seconds / 3600), 'hour');
  return format(Math.round(seconds / 86_400), 'day');
}

function Jobs() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { failed } = useFeedback();
  const jobs = useQuery({
    queryKey: ['cluster', 'jobs'],
    queryFn: () => call<Row[]>('cluster:jobs', { params: { pageSize: 100 } }),
    refetchInterval: often * 2,
  });
  const retry = async (id: unknown) => {
    await call('cluster:retry', { values: {}, params: { filterByTk: id } }).catch(failed);
    client.invalidateQueries({ queryKey: ['cluster', 'jobs'] });
  };
  if (jobs.isError) return <Failure error={jobs.error} retry={jobs.refetch} />;
  if (!jobs.data) return <Loading />;
  const topics = Object.entries<Row>(jobs.data.meta?.topics ?? {});
  return (
    <>
      {topics.length > 0 && (
        <p>
          {topics.map(([name, figures]) => (
            <Tag key={name}>
              {name}:{' '}
              {t('{{waiting}} waiting, {{running}} running, {{dead}} failed', {
                waiting: figures.waiting,
                running: figures.running,
                dead: figures.dead,
              })}
            </Tag>
          ))}
        </p>
      )}
      <Table<Row>
        rowKey="id"
        size="small"
        pagination={false}
        scroll={{ x: 'max-content' }}
        dataSource={jobs.data.data}
        locale={{ emptyText: <Nothing text={t('No job is waiting, running or failed.')} /> }}
        columns={[
          { title: t('Job'), dataIndex: 'topic' },
          {
            title: t('State'),
            key: 'state',
            render: (_, job) => (
              <Tag color={job.state === 'dead' ? 'red' : job.state === 'running' ? 'blue' : undefined}>
                {t(`job.${job.state}`)}
              </Tag>
            ),
          },
          { title: t('Tries'), key: 'attempts', render: (_, job) => `${job.attempts} / ${job.maxAttempts}` },
          {
            title: t('Due'),
            key: 'due',
            render: (_, job) => formatDate('dateTime', new Date(job.runAtMs).toISOString()),
          },
          { title: t('Error'), dataIndex: 'error' },
          {
            title: <span className="sr-only">{t('Actions')}</span>,
            key: 'actions',
            render: (_, job) =>
              job.state === 'dead' && (
                <Button size="small" onClick={() => retry(job.id)}>
                  {t('Try again')}
                </Button>
              ),
          },
        ]}
      />
    </>
  );
}

export default function Cluster() {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const { ask, failed } = useFeedback();
  const [events, setEvents] = useState<Event[]>([]);
  const before = useRef<Row[]>(undefined);
  const members = useQuery({
    queryKey: ['cluster', 'status'],
    queryFn: async () => (await call<Row[]>('cluster:status')).data,
    refetchInterval: often,
  });
  useEffect(() => {
    if (!members.data) return;
    const name = (member: Row) => `${member.host}:${member.pid}`;
    const say = (what: 'came' | 'went' | 'state', member: Row) =>
      what === 'came'
        ? t('{{name}} joined', { name: name(member) })
        : what === 'went'
          ? t('{{name}} is gone', { name: name(member) })
          : t('{{name}} is now {{state}}', { name: name(member), state: t(`member.${member.state}`) });
    const news = before.current ? changes(before.current, members.data, say) : [];
    before.current = members.data;
    if (news.length) setEvents((list) => [...news.map((text) => ({ at: Date.now(), text })), ...list].slice(0, 50));
  }, [members.data, t]);
  const drain = async (member: Row, on: boolean) => {
    if (
      on &&
      !(await ask(
        t('Take {{name}} out?', { name: `${member.host}:${member.pid}` }),
        t('It finishes what it does and takes nothing new; the others serve.'),
        false,
      ))
    )
      return;
    await call(`cluster:${on ? 'drain' : 'undrain'}`, { values: {}, params: { filterByTk: member.id } }).catch(failed);
    client.invalidateQueries({ queryKey: ['cluster', 'status'] });
  };
  if (members.isError && !members.data) return <Failure error={members.error} retry={members.refetch} />;
  if (!members.data) return <Loading />;
  const list = members.data;
  const ready = list.filter((one) => one.state === 'ready').length;
  const versions = new Set(list.map((one) => one.version));
  return (
    <Screen title={t('Cluster')} lead={t('{{ready}} of {{count}} members are ready', { ready, count: list.length })}>
      <div className="stack" style={{ gap: 16 }}>
        {members.isError && (
          <Alert type="warning" showIcon title={t('No answer at the moment: this is how it looked last.')} />
        )}
        {versions.size > 1 && (
          <Alert
            type="info"
            showIcon
            title={t('An upgrade is under way: versions {{list}} run side by side.', {
              list: [...versions].join(', '),
            })}
          />
        )}
        <section className="sheet">
          <Table<Row>
            rowKey="id"
            size="middle"
            pagination={false}
            scroll={{ x: 'max-content' }}
            dataSource={list}
            columns={[
              {
                title: t('Member'),
                key: 'host',
                render: (_, one) => (
                  <span>
                    <b>{one.host}</b> <span className="quiet">{one.pid}</span>{' '}
                    {one.self && <Tag>{t('answers you now')}</Tag>}
                  </span>
                ),
              },
              {
                title: t('State'),
                key: 'state',
                render: (_, one) => <Tag color={colours[one.state]}>{t(`member.${one.state}`)}</Tag>,
              },
              {
                title: t('Version'),
                key: 'version',
                render: (_, one) => (
                  <Tooltip title={t('Schema version {{number}}', { number: one.schemaVersion })}>{one.version}</Tooltip>
                ),
              },
              { title: t('Running for'), key: 'started', render: (_, one) => since(one.startedMs, i18n.language) },
              {
                title: t('Lease'),
                key: 'lease',
                render: (_, one) => {
                  const left = Math.round((one.leaseUntilMs - Date.now()) / 1000);
                  return (
                    <span className="row" style={{ width: 130 }}>
                      <Progress
                        aria-label={t('Lease')}
                        percent={Math.max(0, Math.min(100, (left / 15) * 100))}
                        showInfo={false}
                        size="small"
                        status={left < 3 ? 'exception' : 'normal'}
                      />
                      {t('{{count}} s', { count: Math.max(0, left) })}
                    </span>
                  );
                },
              },
              {
                title: t('Worker ids'),
                key: 'workers',
                render: (_, one) => (
                  <Tooltip title={(one.workerIds ?? []).join(', ')}>{one.workerIds?.length ?? 0}</Tooltip>
                ),
              },
              { title: t('Messages read'), dataIndex: 'busPosition', align: 'end' },
              {
                title: <span className="sr-only">{t('Actions')}</span>,
                key: 'actions',
                align: 'end',
                render: (_, one) =>
                  one.drainRequested ? (
                    <Button size="small" onClick={() => drain(one, false)}>
                      {t('Put back')}
                    </Button>
                  ) : (
                    <Button size="small" disabled={one.state !== 'ready'} onClick={() => drain(one, true)}>
                      {t('Take out')}
                    </Button>
                  ),
              },
            ]}
          />
        </section>
        <section className="sheet">
          <h2 className="form-section">{t('Background jobs')}</h2>
          <Jobs />
        </section>
        <section className="sheet" aria-live="polite">
          <h2 className="form-section">{t('What happened while this page was open')}</h2>
          {events.length ? (
            <ul style={{ margin: 0, paddingInlineStart: 18 }}>
              {events.map((event, index) => (
                <li key={index}>
                  <span className="quiet">{new Date(event.at).toLocaleTimeString(i18n.language)}</span> {event.text}
                </li>
              ))}
            </ul>
          ) : (
            <span className="quiet">{t('Nothing yet.')}</span>
          )}
        </section>
      </div>
    </Screen>
  );
}
