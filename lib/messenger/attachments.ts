// Attachments and referrals of messages as agents see them (messenger.md 3.3). Unknown types are kept
// with their name; links keep their expiry; of a sticker and its image twin only the sticker remains.

import {
  boundedOf,
  countOf,
  defined,
  idOf,
  isObject,
  type JsonObject,
  listOf,
  nameOf,
  textOf,
  timeOf,
  webUrlOf,
} from './fields.ts';
import { ATTACHMENTS_MAX } from './limits.ts';
import type { AttachmentView, ReferralView } from './types.ts';

const NOTHING: JsonObject = {};
/** Meta's CDN puts the expiry of a link into `oe`: hexadecimal seconds. */
const EXPIRY = /[?&]oe=([0-9a-fA-F]{8})(?:&|$)/;

/** @param value `message.attachments`, whatever it is */
export function viewAttachments(value: unknown): readonly AttachmentView[] | undefined {
  const views: AttachmentView[] = [];
  for (const [index, attachment] of listOf(value).slice(0, ATTACHMENTS_MAX).entries()) {
    if (isObject(attachment)) views.push(viewAttachment(index, attachment));
  }
  const kept = withoutStickerTwins(views);
  return kept.length === 0 ? undefined : kept;
}

/** True for an attachment that tells an agent nothing: a share that Meta does not hand on. */
export function isBlank(view: AttachmentView): boolean {
  if (view.type === 'ephemeral' || view.type === 'unsupported_type') return true;
  return view.type === 'fallback' && view.url === undefined && view.title === undefined;
}

/** When a CDN link stops working, in ms; undefined when it does not say. */
export function expiryOf(url: string): number | undefined {
  const hex = EXPIRY.exec(url)?.[1];
  return hex === undefined ? undefined : Number.parseInt(hex, 16) * 1000;
}

function viewAttachment(index: number, attachment: JsonObject): AttachmentView {
  const type = nameOf(textOf(attachment['type']) ?? 'unknown');
  const payload = isObject(attachment['payload']) ? attachment['payload'] : NOTHING;
  // Shares put url and title beside a payload of null.
  const url = webUrlOf(payload['url']) ?? webUrlOf(attachment['url']);
  return {
    index,
    type,
    ...defined({
      url,
      expiresAt: url === undefined ? undefined : expiryOf(url),
      title: textOf(payload['title']) ?? textOf(attachment['title']),
      stickerId: idOf(payload['sticker_id']),
    }),
    ...viewDetails(type, payload),
  };
}

function viewDetails(type: string, payload: JsonObject): JsonObject {
  switch (type) {
    case 'reel':
    case 'ig_reel':
      return defined({ reelId: idOf(payload['reel_video_id']) });
    case 'post':
    case 'ig_post':
      return defined({ postId: idOf(payload['id']) });
    case 'template':
      return defined({
        templateType: textOf(payload['template_type']),
        text: textOf(payload['text']),
        product: boundedOf(payload['product']),
        elements: boundedOf(payload['elements']),
        buttons: boundedOf(payload['buttons']),
      });
    case 'appointment_booking':
      return viewAppointment(payload);
    case 'location':
      return viewLocation(payload['coordinates']);
    default:
      return NOTHING;
  }
}

function viewAppointment(payload: JsonObject): JsonObject {
  return defined({
    bookingId: idOf(payload['booking_id']),
    status: textOf(payload['status']),
    startAt: timeOf(payload['start_time']),
    endAt: timeOf(payload['end_time']),
    timezone: textOf(payload['timezone']),
  });
}

function viewLocation(coordinates: unknown): JsonObject {
  if (!isObject(coordinates)) return NOTHING;
  const { lat, long } = coordinates;
  return typeof lat === 'number' && typeof long === 'number' ? { lat, long } : NOTHING;
}

function withoutStickerTwins(views: readonly AttachmentView[]): readonly AttachmentView[] {
  const stickers = views.filter((view) => view.type === 'sticker');
  if (stickers.length === 0) return views;
  return views.filter((view) => {
    if (view.type !== 'image') return true;
    return !stickers.some((sticker) => isTwin(view, sticker));
  });
}

function isTwin(image: AttachmentView, sticker: AttachmentView): boolean {
  if (image.stickerId !== undefined) return image.stickerId === sticker.stickerId;
  return image.url !== undefined && pathOf(image.url) === pathOf(sticker.url ?? '');
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** @param value a `referral` object, of a message, a postback or an event of its own */
export function viewReferral(value: unknown): ReferralView | undefined {
  if (!isObject(value)) return undefined;
  const view = defined({
    ref: textOf(value['ref']),
    source: textOf(value['source']),
    type: textOf(value['type']),
    adId: idOf(value['ad_id']),
    ad: viewAd(value['ads_context_data']),
    product: boundedOf(value['product']),
  });
  return Object.keys(view).length === 0 ? undefined : view;
}

function viewAd(value: unknown): JsonObject | undefined {
  if (!isObject(value)) return undefined;
  return defined({
    title: textOf(value['ad_title']),
    photoUrl: webUrlOf(value['photo_url']),
    videoUrl: webUrlOf(value['video_url']),
    postId: idOf(value['post_id']),
    productId: idOf(value['product_id']),
    flowId: idOf(value['flow_id']),
  });
}

/** @param value `message.reply_to`: a message of the thread, or an Instagram story */
export function viewReplyTo(value: unknown): JsonObject | undefined {
  if (!isObject(value)) return undefined;
  const story = value['story'];
  const view = defined({
    mid: textOf(value['mid']),
    selfReply: value['is_self_reply'] === true ? true : undefined,
    story: isObject(story)
      ? defined({ id: idOf(story['id']), url: webUrlOf(story['url']) })
      : undefined,
  });
  return Object.keys(view).length === 0 ? undefined : view;
}

/** A product's members for an order: ids as strings, numbers as numbers. */
export function viewProduct(value: unknown): JsonObject {
  if (!isObject(value)) return NOTHING;
  const price = value['unit_price'];
  return defined({
    id: idOf(value['id']),
    retailerId: idOf(value['retailer_id']),
    name: textOf(value['name']),
    unitPrice: typeof price === 'number' || typeof price === 'string' ? price : undefined,
    currency: textOf(value['currency']),
    quantity: countOf(value['quantity']),
  });
}
