// A file of a message as a link. It is never loaded by itself: the sender's host would learn who
// reads and when.

import type { Attachment } from '../../client/index.ts';
import { attachmentName } from '../model/format.ts';
import { t } from '../model/language.ts';
import { Icon, type IconName } from './icons.tsx';

const ICONS: Readonly<Record<string, IconName>> = {
  image: 'image',
  sticker: 'image',
  video: 'play',
  audio: 'play',
};

export function AttachmentLink({ attachment }: { attachment: Attachment }) {
  const { type, url, title } = attachment;
  const label = (
    <>
      <Icon name={ICONS[type] ?? 'file'} />
      <span class="file-name">{title || attachmentName(type)}</span>
    </>
  );
  if (url === undefined || !/^https?:\/\//.test(url)) return <span class="file">{label}</span>;
  return (
    <a
      class="file"
      href={url}
      target="_blank"
      rel="noopener noreferrer nofollow"
      data-testid="attachment"
    >
      {label}
      <span class="visually-hidden">({t('opensNewTab')})</span>
    </a>
  );
}
